"""Some time between two changes, and none while the forge asks for patience: what comes faster, it takes for abuse.

A forge counts what a token does, in whichever repository: so all adapters of a daemon that use it there share one pace.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from datetime import datetime

from pydantic import SecretStr

EVERYTHING = ""
"""What a limit is of where it is of no resource of its own."""
_MOST = 100
"""Tokens of which the pace is known; those of apps are replaced each hour."""


class Pace:
    """Of one token at one forge."""

    def __init__(self, between: float) -> None:
        """`between`: seconds."""
        self._between = between
        self._passing = asyncio.Lock()
        self._last = -math.inf
        self._held: dict[str, datetime] = {}
        """Resource → until when it is not asked for."""

    async def turn(self) -> None:
        """Wait until the next change may be sent."""
        async with self._passing:
            await asyncio.sleep(max(self._last + self._between - time.monotonic(), 0))
            self._last = time.monotonic()

    def hold(self, resource: str, until: datetime) -> None:
        """The forge wants nothing to be asked of this resource before."""
        self._held[resource] = max(until, self._held.get(resource, until))

    def held(self, resource: str, now: datetime) -> datetime | None:
        """Until when a request for this resource would be refused; None: it may be sent."""
        ends = (self._held.get(each) for each in (EVERYTHING, resource))
        return max((end for end in ends if end is not None and end > now), default=None)


class Paces:
    """Those of one daemon."""

    def __init__(self, between: float) -> None:
        self._between = between
        self._known: OrderedDict[tuple[str, SecretStr | None], Pace] = OrderedDict()

    def of(self, api: str, token: SecretStr | None) -> Pace:
        """The pace of a token at a forge, which is known by its API's address: settings may call it by two names."""
        pace = self._known.setdefault((api, token), Pace(self._between))
        self._known.move_to_end((api, token))
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return pace
