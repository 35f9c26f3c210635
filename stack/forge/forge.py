"""What all parts of the forge share."""

from __future__ import annotations

from dataclasses import dataclass, field

from stack.forge.failures import Failures
from stack.forge.merging import Mergeabilities
from stack.forge.rate_limits import RateLimits
from stack.forge.received import Received
from stack.forge.shapes import Shapes
from stack.forge.store import Store


@dataclass(frozen=True)
class Forge:
    store: Store
    url: str
    """Where people reach it, without a slash at its end; part of every answer, whatever address was called."""
    failures: Failures = field(default_factory=Failures)
    received: Received = field(default_factory=Received)
    limits: RateLimits = field(default_factory=RateLimits)
    mergeabilities: Mergeabilities = field(default_factory=Mergeabilities)

    @property
    def shapes(self) -> Shapes:
        return Shapes(self.url)
