"""A process of workers: they run until a signal asks them to stop, or one of them fails."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from temporalio.worker import Worker


async def serve(workers: Sequence[Worker]) -> None:
    """Run them all; a worker that failed raises its error here, when the others have ended."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    running = [asyncio.create_task(worker.run()) for worker in workers]
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([*running, stopped], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*(worker.shutdown() for worker in workers))
    await asyncio.gather(*running)
