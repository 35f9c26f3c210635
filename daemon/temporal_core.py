"""The core as the daemon tells it things: standalone activities on the telemetry queue (DESIGN 4)."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from temporalio.client import ActivityFailureError, Client
from temporalio.service import RPCError

from activities.telemetry import TelemetryActivities
from domain import names
from domain.errors import NotReachable
from domain.record import DaemonReport, LogChunk

TELEMETRY_WITHIN = timedelta(seconds=30)
"""How long one chunk or report may wait for a worker; whoever sent it tries again."""


class TemporalCore:
    """Implements daemon.ports.Core."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def append_log(self, chunk: LogChunk) -> None:
        identity = f"log-{chunk.task}-{chunk.attempt}-{chunk.delivery}-{chunk.offset}"
        try:
            await self._client.execute_activity_method(
                TelemetryActivities.append_task_log,
                chunk,
                id=identity,
                task_queue=names.TELEMETRY_QUEUE,
                schedule_to_close_timeout=TELEMETRY_WITHIN,
            )
        except (RPCError, ActivityFailureError) as error:
            raise NotReachable(f"the core did not take a log chunk: {error}") from error

    async def report(self, report: DaemonReport) -> None:
        try:
            await self._client.start_activity_method(
                TelemetryActivities.report_daemon,
                report,
                id=f"daemon-{report.owner}-{report.name}-{uuid4()}",
                task_queue=names.TELEMETRY_QUEUE,
                schedule_to_close_timeout=TELEMETRY_WITHIN,
            )
        except RPCError as error:
            raise NotReachable(f"Temporal did not take the report: {error.message}") from error
