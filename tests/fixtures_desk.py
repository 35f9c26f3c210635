"""starter.py's commands over real servers and a scripted daemon, typed as in a shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest_asyncio
import typer
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from typer.testing import CliRunner

from activities.day_budgets import DayBudgetActivities, FreedWork
from activities.ledger import LedgerActivities
from activities.lost_workflows import LostWorkflows
from activities.schedules import ScheduleActivities
from cli.operator.app import add_operator_commands
from domain import names
from domain.errors import MakimaError, Refused, SettingsError
from domain.health_report import Check, Health, all_of
from domain.models import State
from domain.remote_leftovers import RemoteFound, RemoteWanted
from ledger.day_budgets import DayBudgets
from ledger.pool import Database
from ledger.pruning import Retention
from ledger.reader import Record
from ledger.workflow_checks import WorkflowChecks
from ledger.writer import PostgresLedger
from runtime.chores import repeat
from runtime.exit import exit_code, one_line
from runtime.terminal import guard
from steering.connections import Cleaning
from tests.workers import TestedWorker
from tests.workflows.scripted import ScriptedDaemon, Surroundings, until
from workflows.directive import DirectiveWorkflow
from workflows.launching import OnceStarter
from workflows.scheduled_start import ScheduledStartWorkflow

URL = "https://example.invalid/house.git"
LOOK_EVERY = timedelta(seconds=1)
"""A look lists workflows, which costs Temporal more than what most tests do meanwhile."""


@dataclass
class Printed:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Desk:
    """starter.py's commands over the servers of the test, typed in a thread as they would be in a shell."""

    web_ui = "http://ui.invalid"

    def __init__(self, world: Surroundings, pool: Database, cache: Path) -> None:
        self.cache, self.config = cache, cache / "config.toml"
        self.world = world
        self.owner = world.owner
        self.ledger = PostgresLedger(pool)
        self.pool = pool
        self.reading = Record(pool)
        self._retention = Retention(pool)
        self._loop = asyncio.get_running_loop()

    @property
    def daemon(self) -> ScriptedDaemon:
        return self.world.daemon

    async def temporal(self) -> Client:
        return self.world.client

    @asynccontextmanager
    async def record(self) -> AsyncIterator[Record]:
        yield self.reading

    @asynccontextmanager
    async def retention(self) -> AsyncIterator[Retention]:
        yield self._retention

    @asynccontextmanager
    async def cleaning(self, *, with_settings: bool) -> AsyncIterator[Cleaning]:
        """The test's own servers, which are in use."""
        raise Refused("a stack is running")
        yield

    async def on_remote(self, wanted: RemoteWanted) -> RemoteFound:
        raise SettingsError("this machine has no daemon")

    async def local_daemon(self, options: Sequence[str]) -> Health | None:
        """There is none: the test's daemon is a part of it."""
        return None

    answer_url = ""

    async def notice_checks(self) -> Sequence[Check]:
        """Of no channel."""
        return ()

    def answer_key(self) -> bytes:
        return b"k" * 32

    async def try_channels(self) -> Health:
        """There are none."""
        return all_of([])

    def _leave(self, command: Coroutine[Any, Any, int]) -> None:
        raise typer.Exit(asyncio.run_coroutine_threadsafe(_coded(command), self._loop).result())

    async def type(self, *args: str) -> Printed:
        """Whatever comes of it."""
        # As starter.py's main does: with the commands of one group, and typer hands the guard the streams of this one.
        app = typer.Typer()
        app.callback()(guard)
        add_operator_commands(app, self, self._leave, typed=args[0])
        done = await asyncio.to_thread(CliRunner().invoke, app, args)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Printed(done.exit_code, done.stdout, done.stderr)

    async def does(self, *args: str) -> str:
        """What a command prints that has to succeed."""
        printed = await self.type(*args)
        assert printed.code == 0, printed
        return printed.out.strip()

    async def json(self, *args: str) -> Any:
        return json.loads(await self.does(*args, "--json"))

    async def refused(self, *args: str) -> str:
        printed = await self.type(*args)
        assert (printed.code, printed.out) == (2, ""), printed
        return printed.err

    async def start(self, *options: str) -> str:
        """A directive with the world's planner; its id."""
        told = await self.json(
            *("start", "--title", "House", "--goal", "A house", "--repo", URL, "--planner", "planner"),
            *("--agent", "shell"),
            *("--timings", "fast", "--wait-for-daemon", *options),  # the scripted daemon reports itself to nobody
        )
        directive = str(told["id"])

        async def is_recorded() -> bool:
            return await self.reading.state(UUID(directive)) is not None

        await until(is_recorded)
        return directive

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """As worker.py runs one, that looks for lost workflows more often."""
        async with self.looking(), self._worker():
            yield

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """The part of a worker that looks for lost workflows, and for work that has more to use today."""
        checks = WorkflowChecks(self.pool)
        freed = FreedWork(self.world.client, DayBudgets(self.pool))
        looks = [LostWorkflows(self.world.client, checks).look, freed.look]
        looking = [asyncio.create_task(repeat(look, LOOK_EVERY)) for look in looks]
        try:
            yield
        finally:
            for each in looking:
                each.cancel()
            await asyncio.gather(*looking, return_exceptions=True)
            with suppress(MakimaError):  # as worker.py does; a look that was just cancelled may still hold its rows
                await checks.stop()

    def _worker(self) -> Worker:
        activities = LedgerActivities(self.ledger)
        client = self.world.client
        schedules = ScheduleActivities(OnceStarter(client, self.reading), client, self.reading)
        return TestedWorker(
            self.world.client,
            task_queue=names.DIRECTIVES_QUEUE,
            workflows=[DirectiveWorkflow, ScheduledStartWorkflow],
            activities=[
                activities.record_progress,
                activities.pick_daemon,
                activities.find_outcome,
                activities.find_steps_done,
                activities.find_rates,
                DayBudgetActivities(self.ledger).change_day_budget,
                schedules.look_before_firing,
                schedules.start_scheduled,
                schedules.follow_scheduled,
                schedules.end_scheduled,
            ],
        )

    @asynccontextmanager
    async def daemons(self) -> AsyncIterator[None]:
        """One that serves every attempt: those of directives with a secret come by a queue of their own."""
        async with self.world.daemon_worker(), self.world.daemon_worker(prefix=names.AUTHENTICATED):
            yield

    async def recorded(self, directive: str) -> State:
        state = await self.reading.state(UUID(directive))
        assert state is not None
        return state

    async def until(self, directive: str, *wanted: str) -> dict[str, Any]:
        """What `status --json` says once the directive itself has reached one of these."""
        shown: dict[str, Any] = {}

        async def reached() -> bool:
            shown.update(await self.json("status", directive))
            return bool(shown["live"]) and shown["status"] in wanted

        await until(reached)
        return shown

    async def until_recorded(self, directive: str, *wanted: str) -> State:
        async def reached() -> bool:
            state = await self.reading.state(UUID(directive))
            return state is not None and state.status.value in wanted

        await until(reached)
        return await self.recorded(directive)

    async def age(self, directive: str, by: timedelta) -> None:
        """Let a directive have been written for the last time so long ago."""
        await self.pool.execute("update directives set updated_at = now() - $1::interval where id = $2", by, directive)

    async def terminate(self, directive: str) -> None:
        state = await self.recorded(directive)
        workflow = names.workflow_id(state.directive.text.title, state.directive.id)
        await self.world.client.get_workflow_handle(workflow).terminate()

    async def update_events(self, directive: str) -> int:
        """How many events of the workflow's history speak of a request."""
        handle = self.world.client.get_workflow_handle(names.workflow_id("House", UUID(directive)))
        events = [EventType.Name(event.event_type) async for event in handle.fetch_history_events()]
        return sum("EXECUTION_UPDATE" in event for event in events)


async def _coded(command: Coroutine[Any, Any, int]) -> int:
    try:
        return await command
    except MakimaError as error:
        typer.echo(one_line(error), err=True)
        return exit_code(error)


@pytest_asyncio.fixture
async def idle_desk(temporal_server: WorkflowEnvironment, pool: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk without a worker; what it has started is ended with it."""
    desk = Desk(Surroundings(temporal_server.client), pool, tmp_path)
    yield desk
    for summary in await desk.reading.directives(desk.owner):
        handle = temporal_server.client.get_workflow_handle(summary.workflow_id)
        with suppress(RPCError):  # only the record knows it
            if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
                await handle.terminate()


@pytest_asyncio.fixture
async def desk(idle_desk: Desk) -> AsyncIterator[Desk]:
    async with idle_desk.worker(), idle_desk.daemons():
        yield idle_desk
