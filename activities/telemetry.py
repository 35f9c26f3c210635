"""What daemons send beside the work, as standalone activities on a queue of its own (DESIGN 4)."""

from __future__ import annotations

from temporalio import activity

from activities.ports import Telemetry
from domain.record import Artifact, DaemonReport, LogChunk


class TelemetryActivities:
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    @activity.defn
    async def append_task_log(self, chunk: LogChunk) -> None:
        """Keep a piece of an attempt's log."""
        await self._telemetry.append_log(chunk)

    @activity.defn
    async def put_artifact(self, artifact: Artifact) -> None:
        """Keep a file that a task handed over."""
        await self._telemetry.put_artifact(artifact)

    @activity.defn
    async def report_daemon(self, report: DaemonReport) -> None:
        """Remember what a daemon says of itself."""
        await self._telemetry.report_daemon(report)
