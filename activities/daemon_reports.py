"""What daemons send beside the work, as standalone activities on a queue of its own (design 4)."""

from __future__ import annotations

import logging
from datetime import timedelta

from temporalio import activity

from activities.ports import Telemetry
from activities.presence import ANSWER_WITHIN, is_present
from domain.daemon_messages import Artifact, DaemonReport, LogChunk, UsageReport, UsedBeside

MOST_ASKED = 8
"""Daemons that are asked at a time whether they are there; others have their turn with their next report."""

logger = logging.getLogger(__name__)


class TelemetryActivities:
    def __init__(self, telemetry: Telemetry, answer_within: timedelta = ANSWER_WITHIN) -> None:
        self._telemetry = telemetry
        self._answer_within = answer_within
        self._asked = 0

    @activity.defn
    async def append_task_log(self, chunk: LogChunk) -> None:
        """Keep a piece of an attempt's log."""
        await self._telemetry.append_log(chunk)

    @activity.defn
    async def put_artifact(self, artifact: Artifact) -> None:
        """Keep a file that a task handed over."""
        await self._telemetry.put_artifact(artifact)

    @activity.defn
    async def report_usage(self, report: UsageReport) -> UsedBeside:
        """Note what an attempt has used that runs; its daemon learns what the directive does beside it, and how far the
        day's budgets are.
        """
        return await self._telemetry.note_usage(report)

    @activity.defn
    async def report_daemon(self, report: DaemonReport) -> None:
        """Remember what a daemon says of itself, once it has taken a task or answers on its own queue: a name that
        nobody stands behind would draw tasks that nobody takes.
        """
        if await self._telemetry.knows_daemon(report.owner, report.name) or await self._is_present(report):
            await self._telemetry.report_daemon(report)
        else:
            logger.warning("left out: a report of %s/%s, which does not answer", report.owner, report.name)

    async def _is_present(self, report: DaemonReport) -> bool:
        if self._asked >= MOST_ASKED:
            return False
        self._asked += 1
        try:
            return await is_present(activity.client(), report.owner, report.name, self._answer_within)
        finally:
            self._asked -= 1
