"""What goes on beside other work: again and again, and never ends without a word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta

from domain.errors import MakimaError

logger = logging.getLogger(__name__)


@asynccontextmanager
async def beside(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """While the body runs, and no longer. The body goes on without one that fails, which is logged when it does."""
    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(_log_defect)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _log_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (defect := task.exception()):
        logger.error("%s has ended", task.get_coro(), exc_info=defect)


async def repeat(chore: Callable[[], Awaitable[None]], every: timedelta) -> None:
    """Until cancelled: one turn of `chore` each `every`."""
    while True:
        await one_turn(chore)
        await asyncio.sleep(every.total_seconds())


async def one_turn(chore: Callable[[], Awaitable[None]]) -> None:
    """A failure is logged, with where it came from if nobody expected it: the chore has its next turn."""
    try:
        await chore()
    except MakimaError as trouble:
        logger.warning("%s", trouble)
    except Exception:
        logger.exception("this turn has failed; the next one comes")
