"""When a program has to end: it has lived on for too long after its work, or its processes use too much memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import psutil

LINGER_SECONDS = 30.0
"""How long a program may live that has said that it is done."""
BACKGROUND_SECONDS = 300.0
"""The same where something still runs in its background: it goes on when that has ended, unless that is a server."""
SERVER_POLL = 2.0
"""Seconds between two looks for one."""
CANCEL_SECONDS = 3.0
"""How long a program may take to end its turn when it is asked to, before it is ended by signals."""
MEMORY_POLL = 2.0
"""Seconds."""


class Linger:
    """How long a program may live that has reported that it is done. It can take that back, and go on."""

    def __init__(self) -> None:
        self._done = asyncio.Event()
        self._changed = asyncio.Event()
        self._seconds = self._beside_server = LINGER_SECONDS
        self.server = ""
        """What has ended the wait early: a process that listens, as people know it."""

    def start(self, seconds: float = LINGER_SECONDS, beside_server: float = LINGER_SECONDS) -> None:
        """From now on it has `seconds`, or only so many where a server is what it has in its background."""
        self._seconds, self._beside_server = seconds, beside_server
        self._done.set()
        self._changed.set()

    def cancel(self) -> None:
        self._done.clear()
        self._changed.set()

    async def wait(self, pid: int = 0) -> None:
        """Returns when it has lived for longer than that, or for long enough beside a server in its tree, that of `pid`
        (0: nobody looks for one).
        """
        while True:
            await self._done.wait()
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._changed_or_serves(pid)
                    if self._changed.is_set():
                        continue
            return

    async def _changed_or_serves(self, pid: int) -> None:
        wait = self._beside_server
        while not self._changed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
                    return
            if pid and self._seconds > self._beside_server and (server := await asyncio.to_thread(server_in, pid)):
                self.server = server
                return
            wait = SERVER_POLL


def server_in(pid: int) -> str:
    """A process of the tree of `pid` that listens for connections, and is not the agent's own program, which reads what
    we write to it; empty: there is none.
    """
    with suppress(psutil.Error, OSError):
        top = psutil.Process(pid)
        ours = _stdin(pid)
        return next((name for each in top.children(recursive=True) if (name := _listening(each, ours))), "")
    return ""


def _listening(process: psutil.Process, ours: str) -> str:
    try:
        if _stdin(process.pid) == ours:
            return ""
        sockets = process.net_connections("tcp")
        return f"{process.name()} ({process.pid})" if any(each.status == psutil.CONN_LISTEN for each in sockets) else ""
    except (psutil.Error, OSError):  # it has ended, or has become another user's
        return ""


def _stdin(pid: int) -> str:
    return str(Path(f"/proc/{pid}/fd/0").readlink())


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
