"""How much each account has asked within the hour; counted, never enforced: a test orders the refusal."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

LIMIT, WINDOW = 5000, 3600  # requests; seconds


class Resource(StrEnum):
    CORE = "core"
    GRAPHQL = "graphql"


@dataclass(frozen=True)
class Allowance:
    """What an account has left of a resource."""

    resource: Resource
    used: int
    reset: int
    """Seconds since the epoch."""
    limit: int = LIMIT

    @property
    def remaining(self) -> int:
        return max(self.limit - self.used, 0)

    def headers(self) -> dict[str, str]:
        numbers = {"Limit": self.limit, "Used": self.used, "Remaining": self.remaining, "Reset": self.reset}
        return {f"X-RateLimit-{name}": str(value) for name, value in (numbers | {"Resource": self.resource}).items()}


class RateLimits:
    """By login; an empty one is everybody without a token."""

    def __init__(self) -> None:
        self._used: Counter[tuple[str, Resource, int]] = Counter()

    def count(self, login: str, resource: Resource, requests: int) -> Allowance:
        """Add so many requests, and give what is left."""
        window = int(time.time()) // WINDOW
        self._used[login, resource, window] += requests
        return Allowance(resource, self._used[login, resource, window], (window + 1) * WINDOW)
