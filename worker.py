"""Composition root 1: settings → pool → workers for directives, their record, and the daemons' telemetry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import NoReturn

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.daemon_reports import TelemetryActivities
from activities.day_budgets import LOOK_EVERY as LOOK_FOR_FREED_EVERY
from activities.day_budgets import DayBudgetActivities, FreedWork
from activities.intake import IntakeActivities
from activities.ledger import LedgerActivities
from activities.lost_workflows import LOOK_EVERY as LOOK_FOR_LOST_EVERY
from activities.lost_workflows import LostWorkflows
from activities.metrics import LOOK_EVERY, publish_census
from activities.schedules import ScheduleActivities
from domain import names
from domain.errors import MakimaError
from ledger.day_budgets import DayBudgets
from ledger.migrate import migrate
from ledger.outbox import Outbox, begin
from ledger.pool import Database, check_writable, open_pool
from ledger.reader import Record
from ledger.workflow_checks import WorkflowChecks
from ledger.writer import PostgresLedger
from runtime.addresses import find_database_url
from runtime.chores import beside, repeat
from runtime.connection import check_temporal, connect_temporal
from runtime.exit import leave, run
from runtime.health import Check, health_at
from runtime.logs import set_up_logging
from runtime.notice_channels import channels
from runtime.notifying import Turns, linking
from runtime.private_memory import keep_memory_private
from runtime.serving import serve
from runtime.shared_settings import SharedSettings, load_settings
from runtime.telemetry import ClientTelemetry, telemetry
from runtime.terminal import guard
from runtime.whole_tasks import WholeTasks
from workflows.attribute_registration import add_missing_search_attributes
from workflows.current_details import CurrentDetails
from workflows.directive import DirectiveWorkflow
from workflows.intake import IntakeWorkflow
from workflows.launching import OnceStarter
from workflows.scheduled_start import ScheduledStartWorkflow

NOTICES_EVERY = timedelta(seconds=2)


def build_workers(client: Client, ledger: PostgresLedger, known: Record) -> list[Worker]:
    """One worker a queue: telemetry has slots of its own, so that logs never hold up the record (design 4)."""
    record = LedgerActivities(ledger)
    starter = OnceStarter(client, known)
    intake = IntakeActivities(starter, client)
    schedules = ScheduleActivities(starter, client, known)
    telemetry = TelemetryActivities(ledger)
    return [
        Worker(
            client,
            task_queue=names.DIRECTIVES_QUEUE,
            workflows=[DirectiveWorkflow, IntakeWorkflow, ScheduledStartWorkflow],
            # Tests run them in the SDK's sandbox; what that would find here is ruled out (decision 0032).
            workflow_runner=WholeTasks(UnsandboxedWorkflowRunner()),
            interceptors=[CurrentDetails()],
            activities=[
                record.record_progress,
                record.pick_daemon,
                record.find_outcome,
                record.find_steps_done,
                record.find_rates,
                DayBudgetActivities(ledger).change_day_budget,
                intake.start_directive,
                intake.watch_directives,
                intake.carry_out,
                schedules.look_before_firing,
                schedules.start_scheduled,
                schedules.follow_scheduled,
                schedules.end_scheduled,
            ],
        ),
        Worker(
            client,
            task_queue=names.TELEMETRY_QUEUE,
            activities=[
                telemetry.append_task_log,
                telemetry.put_artifact,
                telemetry.report_daemon,
                telemetry.report_usage,
            ],
            max_concurrent_activities=20,
        ),
    ]


@asynccontextmanager
async def chores(
    client: Client, seen_by: ClientTelemetry, settings: SharedSettings, pool: Database
) -> AsyncIterator[None]:
    """What the worker does beside its activities: look for lost workflows, keep the gauges, tell people of events."""
    checks = WorkflowChecks(pool)
    jobs: list[Coroutine[None, None, None]] = [
        repeat(LostWorkflows(client, checks).look, LOOK_FOR_LOST_EVERY),
        repeat(FreedWork(client, DayBudgets(pool)).look, LOOK_FOR_FREED_EVERY),
    ]
    if seen_by.runtime:
        jobs.append(repeat(partial(publish_census, seen_by.runtime.metric_meter, Record(pool)), LOOK_EVERY))
    told = await channels(settings)
    if told:
        await begin(pool, settings.owner, {channel.name: channel.kinds for channel in told})
    for channel in told:
        links = linking(settings, channel.name)
        outbox = Outbox(pool, settings.owner, channel.name, channel.kinds, channel.most, linked=links)
        jobs.append(repeat(Turns(channel, outbox.empty).turn, NOTICES_EVERY))
    async with beside(*jobs):
        yield
    with suppress(MakimaError):
        await checks.stop()


async def main() -> int:
    keep_memory_private()
    guard()
    settings = load_settings()
    set_up_logging(settings, "worker")
    database_url = find_database_url(settings)
    seen_by = telemetry(settings.metrics, "worker")
    client = await connect_temporal(settings, identity="worker", seen_by=seen_by)
    await add_missing_search_attributes(client)
    async with await open_pool(database_url) as pool:
        await migrate(pool)
        checks: dict[str, Check] = {
            "temporal": partial(check_temporal, client),
            "postgres": partial(check_writable, pool),
        }
        async with health_at(settings.health, checks), chores(client, seen_by, settings, pool):
            return await serve(build_workers(client, PostgresLedger(pool), Record(pool)))


def work() -> NoReturn:
    """The console script `makima-worker`, the same as `python worker.py`."""
    leave(run(main))


if __name__ == "__main__":
    work()
