"""A delivery's sign of life: heartbeats with what is going on, and one signal that the work has started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from domain.errors import NotReachable
from domain.spawn_task import Delivery, Progress

LINE_LIMIT = 200
RETRY_AFTER = 2.0

logger = logging.getLogger(__name__)


class Pulse:
    """What a delivery is doing; beats from entering to leaving `beating`."""

    def __init__(self, delivery: Delivery, daemon: str) -> None:
        self._delivery = delivery
        self._daemon = daemon
        self.phase = "starting"
        self.last_line = ""

    @asynccontextmanager
    async def beating(self, every: timedelta, settle: timedelta) -> AsyncIterator[None]:
        """Beat every `every`; say once that the work has started when it has lived for `settle` (rule 4.4)."""
        tasks = [asyncio.create_task(self._beat(every)), asyncio.create_task(self._announce(settle))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _beat(self, every: timedelta) -> None:
        while True:
            line = self.last_line[:LINE_LIMIT]
            self._delivery.beat(
                Progress(daemon=self._daemon, delivery=self._delivery.name, phase=self.phase, last_line=line)
            )
            await asyncio.sleep(every.total_seconds())

    async def _announce(self, settle: timedelta) -> None:
        await asyncio.sleep(settle.total_seconds())
        while True:
            try:
                return await self._delivery.started(self._delivery.name)
            except NotReachable as error:
                logger.warning("%s", error)  # the work goes on without
                await asyncio.sleep(RETRY_AFTER)
