"""What the daemon reports to the core: beside the work, and the heartbeats of a delivery."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState

from domain.daemon_messages import Artifact, DaemonReport, LogChunk, UsageReport, UsedBeside
from domain.errors import NotReachable
from domain.progress import Progress
from domain.spawn_task import Delivery
from domain.usage import Usage
from runtime.chores import beside, repeat

T = TypeVar("T")

LINE_LIMIT = 200
"""Characters."""
RETRY_AFTER = 2.0
"""Seconds."""

logger = logging.getLogger(__name__)


class Core(Protocol):
    """Takes what the daemon tells beside the work. All calls raise NotReachable while the core doesn't answer."""

    async def append_log(self, chunk: LogChunk) -> None: ...

    async def put_artifact(self, artifact: Artifact) -> None: ...

    async def report_usage(self, report: UsageReport) -> UsedBeside:
        """What all other attempts of its directive have used, which steps run beside it, and how far the day's budgets
        are.
        """
        ...

    async def report(self, report: DaemonReport) -> None: ...


class Heartbeat:
    """What a delivery is doing, and one signal that its work has started; beats from entering to leaving `beating`."""

    def __init__(self, delivery: Delivery, daemon: str) -> None:
        self._delivery = delivery
        self._daemon = daemon
        self.phase = "starting"
        self.last_line = self.held_up = ""
        self.again: datetime | None = None
        self.used: Callable[[], Usage] = lambda: delivery.used_before
        """By the attempt so far, however many deliveries it had."""

    def beating(self, every: timedelta, settle: timedelta) -> AbstractAsyncContextManager[None]:
        """Beat every `every`; say once that the work has started when it has lived for `settle` (rule 4.4)."""
        return beside(repeat(self._beat, every), self._announce(settle))

    async def tried(self, tries: AsyncRetrying, call: Callable[[], Awaitable[T]]) -> T:
        """The result of `call`, as often as `tries` wants it; while it fails the heartbeats say why."""

        def note(state: RetryCallState) -> None:
            self.held_up = str(state.outcome.exception()) if state.outcome else ""
            self.again = datetime.now(UTC) + timedelta(seconds=state.upcoming_sleep)

        try:
            return await tries.copy(before_sleep=note)(call)
        finally:
            self.held_up, self.again = "", None

    async def _beat(self) -> None:
        self.beat()

    def beat(self) -> None:
        """Now: what the last beat has told is what is known of a delivery that is lost."""
        told = {
            "phase": self.phase,
            "last_line": self.last_line[:LINE_LIMIT],
            "held_up": self.held_up[:LINE_LIMIT],
            "again": self.again,
            "usage": self.used(),
        }
        self._delivery.beat(Progress(daemon=self._daemon, delivery=self._delivery.name, **told))

    async def _announce(self, settle: timedelta) -> None:
        await asyncio.sleep(settle.total_seconds())
        while True:
            try:
                return await self._delivery.started(self._delivery.name)
            except NotReachable as error:
                logger.warning("%s", error)  # the work goes on without
                await asyncio.sleep(RETRY_AFTER)
