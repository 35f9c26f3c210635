"""How work ends that the daemon can't let go on: called back, or handed back because the daemon stops (rule 6.10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from domain.errors import HandedBack

FINISHING = 8.0
"""Seconds that work which is only being published gets when the daemon stops: part of STOP_WITHIN."""
STOP_WITHIN = 30.0
"""Seconds from SIGTERM to the daemon's end: its agents' (twice the keeper's grace) and their last checkpoints'."""

T = TypeVar("T")


class Stopping:
    """Whether this daemon stops, and what that does to the work under way."""

    def __init__(self, daemon: str) -> None:
        self._daemon = daemon
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Hand everything back that is not about to end."""
        self._begun.set()

    async def run(self, work: Coroutine[Any, Any, T], is_finishing: Callable[[], bool]) -> T:
        """The result of `work`. It is cancelled, and waited for, when the caller is or when the daemon stops: then
        HandedBack, unless it ends all the same.
        """
        working = asyncio.create_task(work)
        begun = asyncio.create_task(self._begun.wait())
        try:
            await asyncio.wait({working, begun}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and is_finishing():
                await asyncio.wait({working}, timeout=FINISHING)
        except asyncio.CancelledError:
            await _cancelled(working)
            raise
        finally:
            begun.cancel()
        if not working.done():
            await _cancelled(working)
        if working.cancelled():
            raise HandedBack(f"daemon {self._daemon} stops")
        return working.result()


async def _cancelled(working: asyncio.Task[Any]) -> None:
    """Cancel it once, and wait for its end whatever cancels the caller meanwhile: it saves the work on its way out."""
    working.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled
