"""How GitHub pages, refuses, counts, and fails."""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Mapping

from fakes.forge.api_errors import Answered, refused
from fakes.forge.dialect import Dialect, Paging, Passed
from fakes.forge.forge import Forge, Resource
from fakes.forge.github.app_rights import check_permission
from fakes.forge.injected_failures import FailureKind, FailureOrder


def _paged(page: Paging) -> Mapping[str, str]:
    return page.links(", ")


def _headers(forge: Forge, passed: Passed) -> dict[str, str]:
    resource = Resource.GRAPHQL if passed.path.endswith("/graphql") else Resource.CORE
    # GitHub counts neither a conditional request that finds nothing new nor a look at the limits themselves.
    counts = passed.status != 304 and not passed.path.endswith("/rate_limit")
    login = passed.account.login if passed.account else ""
    headers = forge.limits.count(login, resource, int(counts)).headers()
    headers |= {"X-GitHub-Request-Id": uuid.uuid4().hex.upper()}
    if passed.account and passed.account.permissions is None:  # an app has no scopes
        headers |= {"X-OAuth-Scopes": ", ".join(passed.account.scopes), "X-Accepted-OAuth-Scopes": "repo"}
    return headers


def answer_of(order: FailureOrder) -> Answered:
    """What GitHub answers to a request that fails in this way."""
    if order.kind is FailureKind.INVALID:
        return refused("PullRequest", order.message or "was refused by the test")
    if order.kind is FailureKind.SUBMITTED_TOO_QUICKLY:
        return refused("Issue", order.message or "was submitted too quickly")
    status, message = _WORDS.get(order.kind, (order.status, "Server Error"))
    return Answered(status, order.message or message, headers=_headers_of(order))


def _headers_of(order: FailureOrder) -> dict[str, str]:
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


GITHUB = Dialect(
    name="github",
    paths=re.compile(r"^/(api/(v3|graphql)|repos|user|graphql|rate_limit)(/|$)"),
    refusal=Answered.body,
    paged=_paged,
    failed=answer_of,
    headers=_headers,
    permits=check_permission,
    has_etags=True,
)
