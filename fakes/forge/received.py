"""What was asked of the forge, for tests that count."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from fakes.forge.models import Stored, now

_KEPT = 10_000
BODY_KEPT = 64 * 1024
"""Bytes of a request's body."""


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
