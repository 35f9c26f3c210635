"""The heartbeat of a short activity while it waits for something outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity


@asynccontextmanager
async def beating(*details: Any) -> AsyncIterator[None]:
    """While the body runs: a heartbeat four times in each heartbeat timeout of the activity, none where it has none (an
    earlier version has scheduled it). None at once: most bodies are over before the first.
    """
    timeout = activity.info().heartbeat_timeout
    task = asyncio.create_task(_beat(timeout / 4, details)) if timeout else None
    try:
        yield
    finally:
        if task:
            task.cancel()


async def _beat(every: timedelta, details: tuple[Any, ...]) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        activity.heartbeat(*details)
