"""A report of a daemon that nobody stands behind: anybody in the namespace can send one, and it must draw no task."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.daemon_reports import TelemetryActivities
from activities.presence import answer_presence
from domain import names
from domain.daemon_messages import DaemonReport, DaemonWanted
from domain.record import DeliveryStarted, Facts, snapshot
from ledger.reader import Record
from ledger.writer import PostgresLedger
from tests.values import NOON, directive_with

pytestmark = pytest.mark.rule("4.4")


async def _send(client: Client, owner: str, name: str) -> None:
    report = DaemonReport(owner=owner, name=name, version="9", agents=("claude",), capacity=64)
    await client.execute_activity_method(
        TelemetryActivities.report_daemon,
        report,
        id=f"forged-{uuid4()}",
        task_queue=names.TELEMETRY_QUEUE,
        schedule_to_close_timeout=timedelta(seconds=30),
    )


async def test_a_daemon_counts_once_it_answers_on_its_own_queue_or_has_taken_a_task(
    temporal_server: WorkflowEnvironment, ledger: PostgresLedger, record: Record
) -> None:
    client, owner = temporal_server.client, f"t-{uuid4().hex[:8]}"
    telemetry = TelemetryActivities(ledger, answer_within=timedelta(seconds=2))
    wanted = DaemonWanted(owner=owner)
    async with Worker(client, task_queue=names.TELEMETRY_QUEUE, activities=[telemetry.report_daemon]):
        await _send(client, owner, "forged")
        assert await record.daemons(owner) == ()
        assert await ledger.pick_daemon(wanted) is None
        own = names.presence_queue(owner, "real")
        async with Worker(client, task_queue=own, activities=[answer_presence]):
            await _send(client, owner, "real")
        assert await ledger.pick_daemon(wanted) == "real"
        await _send(client, owner, "real")  # known by now: it isn't asked again
        state = directive_with(owner=owner)
        began = DeliveryStarted(task=next(iter(state.tasks)), attempt=1, delivery="d", daemon="busy", at=NOON)
        await ledger.record(snapshot(state, Facts(deliveries=(began,)), "run", 1))
        await _send(client, owner, "busy")
        assert {daemon.name for daemon in await record.daemons(owner)} == {"real", "busy"}
