"""What all parts of the forge share: its state, and what was asked of it, which tests count."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fakes.forge.addresses import Addresses
from fakes.forge.exchanges import Recorder
from fakes.forge.injected_failures import Failures
from fakes.forge.merges import Mergeabilities
from fakes.forge.records import now
from fakes.forge.store import Store
from fakes.forge.stored import Stored
from fakes.forge.webhooks import Hooks

_KEPT = 10_000
BODY_KEPT = 64 * 1024
"""Bytes of a request's body."""
LIMIT, WINDOW = 5000, 3600  # requests; seconds


class ReceivedRequest(Stored):
    """One request, without its credentials."""

    at: datetime
    method: str
    path: str
    query: str
    login: str
    """Empty: nobody's, or wrong credentials."""
    user_agent: str
    body: str
    """The first 64 KiB; git's own transfers aren't kept."""
    status: int
    """Of the answer; 0 where none was given."""
    failure: str
    """The kind of the failure that it met by order; empty: none."""


class Received:
    """The last 10,000 requests, the oldest first; they don't outlive the process."""

    def __init__(self) -> None:
        self._requests: deque[ReceivedRequest] = deque(maxlen=_KEPT)

    def note(self, *, method: str, path: str, query: str, login: str, user_agent: str, body: bytes, status: int,
             failure: str) -> None:  # fmt: skip
        text = body[:BODY_KEPT].decode(errors="replace")
        self._requests.append(
            ReceivedRequest(
                at=now(), method=method, path=path, query=query, login=login, user_agent=user_agent, body=text,
                status=status, failure=failure,
            )
        )  # fmt: skip

    def all(self) -> tuple[ReceivedRequest, ...]:
        return tuple(self._requests)

    def clear(self) -> None:
        self._requests.clear()


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
    """How much each login has asked within the hour; empty: everybody without a token. Counted, never enforced: a test
    orders the refusal.
    """

    def __init__(self) -> None:
        self._used: Counter[tuple[str, Resource, int]] = Counter()

    def count(self, login: str, resource: Resource, requests: int) -> Allowance:
        """Add so many requests, and give what is left."""
        window = int(time.time()) // WINDOW
        self._used[login, resource, window] += requests
        return Allowance(resource, self._used[login, resource, window], (window + 1) * WINDOW)


@dataclass(frozen=True)
class Forge:
    store: Store
    url: str
    """Where people reach it, without a slash at its end; part of every answer, whatever address was called."""
    failures: Failures = field(default_factory=Failures)
    received: Received = field(default_factory=Received)
    limits: RateLimits = field(default_factory=RateLimits)
    mergeabilities: Mergeabilities = field(default_factory=Mergeabilities)
    hooks: Hooks = field(default_factory=Hooks)
    recorder: Recorder = field(default_factory=lambda: Recorder(None))

    @property
    def log_host(self) -> str:
        """Where logs lie: the same process under another name, which nobody's token is for."""
        return self.url.replace("127.0.0.1", "localhost")

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.url)
