"""Failures that a test has ordered: which requests they meet, and what GitHub would answer in their place."""

from __future__ import annotations

import math
import re
import time
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from fakes.forge.api_errors import Answered, refused
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


def answer_of(order: FailureOrder) -> Answered:
    """What GitHub answers to a request that fails in this way."""
    if order.kind is FailureKind.INVALID:
        return refused("PullRequest", order.message or "was refused by the test")
    if order.kind is FailureKind.SUBMITTED_TOO_QUICKLY:
        return refused("Issue", order.message or "was submitted too quickly")
    status, message = _WORDS.get(order.kind, (order.status, "Server Error"))
    return Answered(status, order.message or message, headers=_headers(order))


def _headers(order: FailureOrder) -> dict[str, str]:
    match order.kind:
        case FailureKind.FORBIDDEN:
            return {"X-Accepted-OAuth-Scopes": order.scope, "X-OAuth-Scopes": ""}
        case FailureKind.RATE_LIMIT:
            reset = str(math.ceil(time.time()) + order.seconds)  # whole seconds, and never sooner than ordered
            return {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
        case FailureKind.SECONDARY_RATE_LIMIT | FailureKind.TOO_MANY_REQUESTS:
            return {"Retry-After": str(order.seconds)}
        case _:
            return {}


_WORDS = {
    FailureKind.BAD_CREDENTIALS: (401, "Bad credentials"),
    FailureKind.FORBIDDEN: (403, "Resource not accessible by personal access token"),
    FailureKind.RATE_LIMIT: (403, "API rate limit exceeded for user ID 1."),
    FailureKind.SECONDARY_RATE_LIMIT: (
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    ),
    FailureKind.TOO_MANY_REQUESTS: (429, "Too many requests"),
}
