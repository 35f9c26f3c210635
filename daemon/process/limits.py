"""When a program has to end: it has lived on for too long after its work, or its processes use too much memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import psutil

LINGER_SECONDS = 30.0
"""How long a program may live that has said that it is done."""
BACKGROUND_SECONDS = 300.0
"""The same where something still runs in its background: it goes on when that has ended, unless it is a server."""
CANCEL_SECONDS = 3.0
"""How long a program may take to end its turn when it is asked to, before it is ended by signals."""
MEMORY_POLL = 2.0
"""Seconds."""


class Linger:
    """How long a program may live that has reported that it is done. It can take that back, and go on."""

    def __init__(self) -> None:
        self._done = asyncio.Event()
        self._changed = asyncio.Event()
        self._seconds = LINGER_SECONDS

    def start(self, seconds: float = LINGER_SECONDS) -> None:
        """From now on it has `seconds`."""
        self._seconds = seconds
        self._done.set()
        self._changed.set()

    def cancel(self) -> None:
        self._done.clear()
        self._changed.set()

    async def wait(self) -> None:
        """Returns when it has lived for longer than that."""
        while True:
            await self._done.wait()
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._changed.wait()
                    continue
            return


async def outgrown(pid: int, limit: int) -> int:
    """Wait until the tree of `pid` uses more than `limit` bytes, pages that processes share counted in each; how many.
    Never returns where it doesn't, or where the tree has ended.
    """
    while True:
        await asyncio.sleep(MEMORY_POLL)
        used = await asyncio.to_thread(tree_memory, pid)
        if used > limit:
            return used


def tree_memory(pid: int) -> int:
    """The resident bytes of `pid` and its descendants at this moment."""
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        return sum(map(_resident, [top, *top.children(recursive=True)]))
    return 0


def _resident(process: psutil.Process) -> int:
    try:
        resident: int = process.memory_info().rss
    except psutil.Error:  # it has ended, or has become another user's
        return 0
    return resident
