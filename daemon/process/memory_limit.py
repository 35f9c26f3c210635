"""How much memory a process and all that descends from it use."""

from __future__ import annotations

import asyncio
import contextlib

import psutil

LOOK_EVERY = 2.0


async def outgrown(pid: int, limit: int) -> int:
    """Wait until the tree of `pid` uses more than `limit` bytes, pages that processes share counted in each; how many.
    Never returns where it doesn't, or where the tree has ended.
    """
    while True:
        await asyncio.sleep(LOOK_EVERY)
        used = await asyncio.to_thread(tree_memory, pid)
        if used > limit:
            return used


def tree_memory(pid: int) -> int:
    """The resident bytes of `pid` and its descendants at this moment."""
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        return sum(map(_resident, [top, *top.children(recursive=True)]))
    return 0


def _resident(process: psutil.Process) -> int:
    try:
        resident: int = process.memory_info().rss
    except psutil.Error:  # it has ended, or has become another user's
        return 0
    return resident
