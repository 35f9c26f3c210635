"""Some time between two changes: what comes faster, a forge takes for abuse, and refuses."""

from __future__ import annotations

import asyncio
import math
import time


class Pace:
    """Lets the changes of one forge pass one after the other."""

    def __init__(self, between: float) -> None:
        """`between`: seconds."""
        self._between = between
        self._passing = asyncio.Lock()
        self._last = -math.inf

    async def turn(self) -> None:
        """Wait until the next change may be sent."""
        async with self._passing:
            await asyncio.sleep(max(self._last + self._between - time.monotonic(), 0))
            self._last = time.monotonic()
