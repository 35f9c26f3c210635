"""Processes that may end at any moment, also while they are looked at or ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import psutil

HEARD_WITHIN = 30.0  # seconds


def has_ended(process: psutil.Process | int) -> bool:
    """An orphan's zombie, which waits for the machine's init, has ended too."""
    try:
        known = psutil.Process(process) if isinstance(process, int) else process
        return not known.is_running() or known.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def end(process: asyncio.subprocess.Process) -> None:
    """Of a test's own process, which may have ended already, or not hear SIGTERM: clean-up neither fails nor hangs, and
    leaves nothing running.
    """
    for stop in (process.terminate, process.kill):
        with suppress(ProcessLookupError, TimeoutError):
            stop()
            async with asyncio.timeout(HEARD_WITHIN):
                await process.wait()


def names_of(processes: Iterable[psutil.Process]) -> set[str]:
    """Of those that are still there."""
    found = set()
    for process in processes:
        with suppress(psutil.Error):
            found.add(process.name())
    return found


def with_word(processes: Iterable[psutil.Process], word: str) -> list[psutil.Process]:
    """Those whose command line has this word."""
    found = []
    for process in processes:
        with suppress(psutil.Error):
            if word in process.cmdline():
                found.append(process)
    return found
