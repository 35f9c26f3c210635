"""The core as the daemon reports to it: standalone activities on the telemetry queue (design 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

from temporalio.client import ActivityFailureError, Client
from temporalio.common import ActivityIDConflictPolicy, RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.daemon_reports import TelemetryActivities
from activities.standalone import outcome_of
from domain import names
from domain.daemon_messages import Artifact, DaemonReport, LogChunk, UsageReport, UsedBeside
from domain.errors import NotReachable

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

    async def report_usage(self, report: UsageReport) -> UsedBeside:
        try:
            return await outcome_of(
                self._client.execute_activity_method(
                    TelemetryActivities.report_usage,
                    report,
                    id=f"usage-{report.task}-{report.attempt}-{uuid4()}",
                    task_queue=names.TELEMETRY_QUEUE,
                    schedule_to_close_timeout=TELEMETRY_WITHIN,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
            )
        except (RPCError, ActivityFailureError) as error:
            raise NotReachable(f"the core did not take what is used: {error.__cause__ or error}") from error

    async def report(self, report: DaemonReport) -> None:
        try:
            if not await self._is_read(report):
                await self._is_read(report.model_copy(update={"features": ()}))
        except (RPCError, ActivityFailureError) as error:
            raise NotReachable(f"the core did not take the report: {error.__cause__ or error}") from error

    async def _is_read(self, report: DaemonReport) -> bool:
        """Whether the worker's version knows all that it says. Told once: the next one comes soon."""
        try:
            await outcome_of(
                self._client.execute_activity_method(
                    TelemetryActivities.report_daemon,
                    report,
                    id=f"daemon-{report.owner}-{report.name}-{uuid4()}",
                    task_queue=names.TELEMETRY_QUEUE,
                    schedule_to_close_timeout=TELEMETRY_WITHIN,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
            )
        except ActivityFailureError as error:
            if not _is_unreadable(error):
                raise
            return False
        return True

    async def _execute(
        self, activity: Callable[[TelemetryActivities, Sent], Awaitable[None]], sent: Sent, identity: str
    ) -> None:
        try:
            await outcome_of(
                self._client.execute_activity_method(
                    activity,
                    sent,
                    id=identity,
                    task_queue=names.TELEMETRY_QUEUE,
                    schedule_to_close_timeout=TELEMETRY_WITHIN,
                    # One whose answer was lost may still be under way: then this is the same call again.
                    id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
                )
            )
        except (RPCError, ActivityFailureError) as error:
            raise NotReachable(f"the core did not take {identity}: {error}") from error


def _is_unreadable(refused: ActivityFailureError) -> bool:
    """Whether the worker's version doesn't know a field; Temporal gives such a failure no type of its own."""
    cause = refused.__cause__
    return isinstance(cause, ApplicationError) and cause.message == "Failed decoding arguments"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
