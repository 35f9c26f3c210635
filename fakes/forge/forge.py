"""What all parts of the forge share."""

from __future__ import annotations

from dataclasses import dataclass, field

from fakes.forge.injected_failures import Failures
from fakes.forge.merges import Mergeabilities
from fakes.forge.rate_limits import RateLimits
from fakes.forge.received import Received
from fakes.forge.shapes import Shapes
from fakes.forge.store import Store


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
