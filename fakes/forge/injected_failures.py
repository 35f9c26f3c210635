"""Failures that a test has ordered: which requests they meet. What is answered is each dialect's."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from fakes.forge.stored import Stored


class FailureKind(StrEnum):
    BAD_CREDENTIALS = "bad_credentials"
    """401: the token is wrong or has expired."""
    FORBIDDEN = "forbidden"
    """403: the token lacks a scope; X-Accepted-OAuth-Scopes names it."""
    RATE_LIMIT = "rate_limit"
    """403 with nothing remaining and X-RateLimit-Reset in `seconds`."""
    SECONDARY_RATE_LIMIT = "secondary_rate_limit"
    """403 with Retry-After in `seconds`."""
    TOO_MANY_REQUESTS = "too_many_requests"
    """429 with Retry-After in `seconds`."""
    SUBMITTED_TOO_QUICKLY = "submitted_too_quickly"
    """422 for a write that comes too soon after another one (from memory)."""
    GRAPHQL_ERROR = "graphql_error"
    """200 without data, with `message` as an error (GraphQL's own form; the usual words from memory)."""
    LOG_HOST_UNREACHABLE = "log_host_unreachable"
    """302 to a host that nobody answers at."""
    INVALID = "invalid"
    """422 with `message`."""
    SERVER_ERROR = "server_error"
    """`status`, default 502, with a body that isn't JSON."""
    STATUS = "status"
    """`status` with `message`."""
    ACTED_THEN_SILENT = "acted_then_silent"
    """The request is done, and no answer ever comes: the caller's time-out decides."""
    ACTED_THEN_CUT = "acted_then_cut"
    """The request is done, and the connection ends within the answer."""
    SILENT = "silent"
    """Nothing is done, and no answer ever comes."""


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]


class FailureOrder(Stored):
    """The next `times` requests that match fail in this way."""

    kind: FailureKind
    method: Expression = ".*"
    """Matches the whole method."""
    path: Expression = ""
    """Is found anywhere in the path, which is the one asked for, with /api/v3 or without."""
    times: int = Field(default=1, ge=1)
    status: int = Field(default=502, ge=400, le=599)
    message: str = ""
    seconds: int = Field(default=60, ge=0)
    scope: str = "repo"
    """The scope that is missing."""

    def matches(self, method: str, path: str) -> bool:
        return bool(re.fullmatch(self.method, method) and re.search(self.path, path))

    @property
    def acts(self) -> bool:
        return self.kind in (FailureKind.ACTED_THEN_SILENT, FailureKind.ACTED_THEN_CUT)


class Failures:
    """The orders that are still to be met, the oldest first."""

    def __init__(self) -> None:
        self.pending: list[FailureOrder] = []

    def order(self, order: FailureOrder) -> None:
        self.pending.append(order)

    def clear(self) -> None:
        self.pending.clear()

    def take(self, method: str, path: str) -> FailureOrder | None:
        """The failure of this request; it is used up once more."""
        for place, order in enumerate(self.pending):
            if order.matches(method, path):
                rest = order.times - 1
                self.pending[place : place + 1] = [order.model_copy(update={"times": rest})] if rest else []
                return order
        return None
