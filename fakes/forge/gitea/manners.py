"""How Gitea pages, refuses and fails: no limits of its own, no ETags, no scopes in headers (from memory)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fakes.forge.api_errors import Answered
from fakes.forge.dialect import Dialect, Paging
from fakes.forge.injected_failures import FailureKind, FailureOrder

_WORDS = {
    FailureKind.BAD_CREDENTIALS: (401, "invalid username, password or token"),
    FailureKind.FORBIDDEN: (403, "token does not have at least one of required scope(s)"),
    FailureKind.INVALID: (422, "was refused by the test"),
}
"""The others come of a proxy before it."""


def _refusal(refused: Answered) -> Mapping[str, str]:
    """In the words of whoever refuses, GitHub's among them where the core does."""
    told = [str(each.get("message") or f"{each.get('field')}: {each.get('code')}") for each in refused.errors]
    return {"message": "; ".join(told) or refused.message, "url": "https://docs.gitea.com/api"}


def _paged(page: Paging) -> Mapping[str, str]:
    """With `,` and no blank between the links."""
    return {**page.links(","), "X-Total-Count": str(page.total)}


def _failed(order: FailureOrder) -> Answered:
    if order.kind in (FailureKind.RATE_LIMIT, FailureKind.SECONDARY_RATE_LIMIT, FailureKind.TOO_MANY_REQUESTS):
        return Answered(429, order.message or "Too many requests", headers={"Retry-After": str(order.seconds)})
    status, message = _WORDS.get(order.kind, (order.status, "Internal Server Error"))
    return Answered(status, order.message or message)


GITEA = Dialect(
    name="gitea",
    paths=re.compile(r"^/api/v1(/|$)"),
    refusal=_refusal,
    paged=_paged,
    failed=_failed,
    size="limit",
    largest_size=50,
)
