"""A seeded random hand that kills or freezes whatever it gets hold of."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Part:
    """Something that can be disturbed."""

    name: str
    process: Callable[[random.Random], psutil.Process | None]
    """Its process at this moment; None while there is none."""
    may_freeze: bool = True
    weight: int = 1


@dataclass(frozen=True)
class Deed:
    """What was done, and from when to when (seconds of the epoch)."""

    what: str
    began: float
    ended: float


class Hand:
    """Disturbs some parts at a time, each of them by one deed at a time; others start again what has died."""

    def __init__(self, parts: Sequence[Part], chance: random.Random) -> None:
        self._parts = parts
        self._chance = chance
        self._busy: set[str] = set()
        self.diary: list[Deed] = []

    async def disturb(self, seconds: float) -> None:
        """For that long; at the end nothing is frozen."""
        deadline = time.monotonic() + seconds
        async with asyncio.TaskGroup() as deeds:
            while time.monotonic() < deadline:
                await asyncio.sleep(self._chance.uniform(0.2, 2.5))
                part = self._chance.choices(self._parts, [part.weight for part in self._parts])[0]
                freezes, pause = self._chance.random() < 0.4, self._chance.uniform(0.3, 8)
                if part.name not in self._busy:
                    deeds.create_task(self._do(part, freezes=freezes and part.may_freeze, pause=pause))

    async def _do(self, part: Part, *, freezes: bool, pause: float) -> None:
        process = part.process(self._chance)
        if process is None:
            return
        self._busy.add(part.name)
        began = time.time()
        try:
            if freezes:
                await _freeze(process, pause, whole=self._chance.random() < 0.5)
            else:
                _send(process, signal.SIGKILL)
        finally:
            self.diary.append(Deed(f"{'freeze' if freezes else 'kill'} {part.name}", began, time.time()))
            self._busy.discard(part.name)


async def _freeze(process: psutil.Process, seconds: float, *, whole: bool) -> None:
    """The process, or with all that it has started: as a machine that was suspended."""
    frozen = [process, *(_below(process) if whole else [])]
    try:
        for each in frozen:
            _send(each, signal.SIGSTOP)
        await asyncio.sleep(seconds)
    finally:
        for each in frozen:
            _send(each, signal.SIGCONT)


def _below(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _send(process: psutil.Process, sent: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        if process.is_running():
            os.kill(process.pid, sent)
