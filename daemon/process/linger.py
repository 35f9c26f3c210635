"""Whether a program has said that it is done, and how long it may live from then on."""

from __future__ import annotations

import asyncio
from contextlib import suppress

LINGER_SECONDS = 30.0
"""How long a program may live that has said that it is done."""
BACKGROUND_SECONDS = 300.0
"""The same where something still runs in its background: it goes on when that has ended, unless it is a server."""


class Done:
    """What a program says of it can be taken back: it goes on with something."""

    def __init__(self) -> None:
        self._said = asyncio.Event()
        self._changed = asyncio.Event()
        self._linger = LINGER_SECONDS

    def say(self, linger: float = LINGER_SECONDS) -> None:
        """From now on it has `linger` seconds."""
        self._linger = linger
        self._said.set()
        self._changed.set()

    def take_back(self) -> None:
        self._said.clear()
        self._changed.set()

    async def lingered(self) -> None:
        """Returns when it has lived for longer than that."""
        while True:
            await self._said.wait()
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._linger):
                    await self._changed.wait()
                    continue
            return
