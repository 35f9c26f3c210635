"""Keeps children alive: started in order, started again when they die, stopped in reverse order."""

from __future__ import annotations

import asyncio
import os
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Protocol

from domain.errors import StackFailed
from stack import processes
from stack.processes import Child

_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0  # seconds
_LONG_LIFE = 60.0  # seconds; after a life this long the delays begin anew
_READY_WITHIN = 60.0  # seconds
_ASK_EVERY = 0.05  # seconds


class EndedEarly(StackFailed):
    """A child ended before it was ready, as one does whose port was taken."""


class Report(Protocol):
    """Tells the operator one line."""

    def __call__(self, line: str, /) -> object: ...


def next_delay(previous: float | None, lived: float) -> float:
    """Give the seconds to wait before a dead child is started again: 1, 2, 4 … 30, anew after a long life."""
    if previous is None or lived >= _LONG_LIFE:
        return _FIRST_DELAY
    return min(previous * 2, _LONGEST_DELAY)


class Supervisor:
    """The children of one stack.

    `lock` is an open file descriptor that every child inherits: a file lock behind it is held until the last one
    has ended, also when this process is killed.
    """

    def __init__(self, logs: Path, lock: int, report: Report) -> None:
        self._logs = logs
        self._lock = lock
        self._report = report
        self._kept: list[_KeptChild] = []

    async def start(self, child: Child) -> None:
        """Start a child and wait until it is ready; from then on it is kept alive.

        Raises EndedEarly, or StackFailed when it isn't ready within a minute; then the child doesn't run.
        """
        kept = _KeptChild(child, self._logs / f"{child.name}.log", self._lock, self._report)
        self._kept.append(kept)
        try:
            await kept.start()
        except StackFailed:
            self._kept.remove(kept)
            await kept.stop()
            raise

    async def stop(self) -> None:
        """Stop all children, the last one first, each with its own signal and grace."""
        while self._kept:
            await self._kept[-1].stop()
            self._kept.pop()


class _KeptChild:
    def __init__(self, child: Child, log: Path, lock: int, report: Report) -> None:
        self._child = child
        self._log = log
        self._lock = lock
        self._report = report
        self._process: Process | None = None
        self._begin = 0  # of what this process writes to the log
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._changing = asyncio.Lock()  # a stop never falls between a start and the note of what was started

    async def start(self) -> None:
        await self._start_process()
        assert self._process is not None
        await self._until_ready(self._process)
        self._keeping = asyncio.create_task(self._keep_alive(), name=f"keep {self._child.name} alive")

    async def stop(self) -> None:
        async with self._changing:
            self._stopping.set()
        if self._process is not None:
            await _end(self._process, self._child)
        if self._keeping is not None:
            await self._keeping

    async def _start_process(self) -> None:
        async with self._changing:
            if not self._stopping.is_set():
                self._begin = processes.size_of(self._log)
                self._process = await processes.start(self._child, self._log, self._lock)

    async def _until_ready(self, process: Process) -> None:
        try:
            async with asyncio.timeout(_READY_WITHIN):
                while not await self._child.is_ready(process.pid):
                    if process.returncode is not None:
                        raise EndedEarly(self._how_it_ended(process.returncode))
                    await asyncio.sleep(_ASK_EVERY)
        except TimeoutError as error:
            name = self._child.name
            raise StackFailed(f"{name} did not answer within {_READY_WITHIN:g} s: see {self._log}") from error

    def _how_it_ended(self, code: int) -> str:
        text = processes.end_of(self._log, self._begin)
        return f"{self._child.name} ended with exit code {code} before it answered ({text}): see {self._log}"

    async def _keep_alive(self) -> None:
        delay: float | None = None
        while not self._stopping.is_set():
            assert self._process is not None
            started = time.monotonic()
            code = await self._process.wait()
            if self._stopping.is_set():
                return
            delay = next_delay(delay, time.monotonic() - started)
            why = (
                f" ({processes.end_of(self._log, self._begin)})" if code > 0 else ""
            )  # one that was killed has said nothing of it
            self._report(f"makima: {self._child.name} ended with exit code {code}{why}, started again in {delay:g} s")
            await self._pause(delay)
            try:
                await self._start_process()
            except OSError as error:  # no process or memory left: a reason to wait, as a death is
                self._report(f"makima: {self._child.name} can't be started: {error}")

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


async def _end(process: Process, child: Child) -> None:
    _send(process, lambda: process.send_signal(child.stop_signal))
    try:
        await asyncio.wait_for(process.wait(), child.grace)
    except TimeoutError:
        # The whole group: what the child started must not outlive it either.
        _send(process, lambda: os.killpg(process.pid, SIGKILL))
        await process.wait()


def _send(process: Process, send: Callable[[], None]) -> None:
    if process.returncode is None:
        try:
            send()
        except ProcessLookupError:
            return  # it ended by itself in this moment
