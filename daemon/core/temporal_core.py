"""The core as the daemon reports to it: standalone activities on the telemetry queue (design 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

from temporalio.client import ActivityFailureError, Client
from temporalio.common import ActivityIDConflictPolicy
from temporalio.service import RPCError

from activities.daemon_reports import TelemetryActivities
from domain import names
from domain.errors import NotReachable
from domain.record import Artifact, DaemonReport, LogChunk

TELEMETRY_WITHIN = timedelta(seconds=30)
"""How long one chunk or report may wait for a worker; whoever sent it tries again."""

Sent = TypeVar("Sent", LogChunk, Artifact)


class TemporalCore:
    """Implements daemon.core.reporting.Core."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def append_log(self, chunk: LogChunk) -> None:
        identity = f"log-{chunk.task}-{chunk.attempt}-{chunk.delivery}-{chunk.offset}"
        await self._execute(TelemetryActivities.append_task_log, chunk, identity)

    async def put_artifact(self, artifact: Artifact) -> None:
        name, content = _digest(artifact.name), _digest(artifact.content)
        identity = f"artifact-{artifact.task}-{artifact.attempt}-{name}-{content}"
        await self._execute(TelemetryActivities.put_artifact, artifact, identity)

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

    async def _execute(
        self, activity: Callable[[TelemetryActivities, Sent], Awaitable[None]], sent: Sent, identity: str
    ) -> None:
        try:
            await self._client.execute_activity_method(
                activity,
                sent,
                id=identity,
                task_queue=names.TELEMETRY_QUEUE,
                schedule_to_close_timeout=TELEMETRY_WITHIN,
                # One whose answer was lost may still be under way: then this is the same call again.
                id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
            )
        except (RPCError, ActivityFailureError) as error:
            raise NotReachable(f"the core did not take {identity}: {error}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
