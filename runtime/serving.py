"""A process of workers: they run until a signal asks them to stop, or one of them fails."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence

from temporalio.worker import Worker

from runtime.exit import FAILED, leave

logger = logging.getLogger(__name__)

STOP_WITHIN = 30.0
"""Seconds that the end of all workers may take. Their activities are cancelled at once, and each is tried again."""


async def serve(workers: Sequence[Worker], stop_within: float = STOP_WITHIN) -> int:
    """Run them all; gives the exit code. The first signal stops them, the second one ends the process at once.

    A worker that failed raises its error here, when the others have ended. One that doesn't end (seen with the SDK,
    where it is stopped in the midst of an activity's completion) must not keep the process alive.
    """
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop_or_leave, stop)
    running = [asyncio.create_task(worker.run()) for worker in workers]
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([*running, stopped], return_when=asyncio.FIRST_COMPLETED)
    ending = asyncio.gather(*running, *(worker.shutdown() for worker in workers), return_exceptions=True)
    try:
        errors = [each for each in await asyncio.wait_for(ending, stop_within) if isinstance(each, BaseException)]
    except TimeoutError:
        logger.error("the worker did not end within %g s; its activities are tried again", stop_within)
        return FAILED
    if errors:
        raise errors[0]
    return 0


def stop_or_leave(stop: asyncio.Event) -> None:
    """The first signal asks to stop; the second one ends the process at once."""
    if stop.is_set():
        leave(FAILED)
    stop.set()
