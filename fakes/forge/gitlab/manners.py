"""How GitLab pages, refuses and fails."""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Mapping

from fakes.forge.api_errors import Answered
from fakes.forge.dialect import Dialect, Paging, Passed
from fakes.forge.forge import Forge
from fakes.forge.gitlab.calling import API, Said
from fakes.forge.injected_failures import FailureKind, FailureOrder

_MOST_COUNTED = 10_000
_WORDS = {401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not found"}
_LIMITS = (
    FailureKind.RATE_LIMIT,
    FailureKind.SECONDARY_RATE_LIMIT,
    FailureKind.TOO_MANY_REQUESTS,
    FailureKind.SUBMITTED_TOO_QUICKLY,
)


def _paged(page: Paging) -> Mapping[str, str]:
    """GitLab names all pages, in numbers as well, and counts no more than it likes to."""
    following, former = (page.number + 1 if page.number < page.last else ""), (page.number - 1 or "")
    counts = {"X-Total": page.total, "X-Total-Pages": page.last} if page.total <= _MOST_COUNTED else {}
    told = {"X-Page": page.number, "X-Per-Page": page.size, "X-Next-Page": following, "X-Prev-Page": former}
    links = {"prev": former, "next": following, "first": 1, "last": page.last}
    urls = ((page.url.include_query_params(page=number), name) for name, number in links.items() if number != "")
    link = ", ".join(f'<{url}>; rel="{name}"' for url, name in urls)
    return {name: str(value) for name, value in (told | counts).items()} | {"Link": link}


def _refusal(answered: Answered) -> object:
    if isinstance(answered, Said):
        return answered.told
    told = [str(each.get("message") or each.get("field")) for each in answered.errors]
    return {"message": told or _WORDS.get(answered.status, answered.message)}


def _failed(order: FailureOrder) -> Answered:
    """GitLab has one way to say that somebody is to wait."""
    if order.kind in _LIMITS:
        return Said(429, "Retry later", headers=_waiting(order))
    match order.kind:
        case FailureKind.BAD_CREDENTIALS:
            return Said(401, "401 Unauthorized")
        case FailureKind.FORBIDDEN:
            return Said(403, "insufficient_scope", field="error")
        case FailureKind.INVALID:
            return Said(422, [order.message or "was refused by the test"])
        case _:
            return Said(order.status, order.message or f"{order.status} Error")


def _waiting(order: FailureOrder) -> dict[str, str]:
    if order.kind is not FailureKind.RATE_LIMIT:
        return {"Retry-After": str(order.seconds)}
    reset = str(math.ceil(time.time()) + order.seconds)
    return {"RateLimit-Limit": "2000", "RateLimit-Remaining": "0", "RateLimit-Reset": reset}


def _headers(forge: Forge, passed: Passed) -> Mapping[str, str]:
    number = uuid.uuid4().hex
    return {"X-Request-Id": number, "X-Gitlab-Meta": f'{{"correlation_id":"{number}","version":"1"}}'}


def _named(forge: Forge, path: str) -> str:
    """With the project's path in place of its number."""
    found = re.match(rf"{API}/projects/(\d+)(?=/|$)", path)
    names = {str(each.record.id): each.record.full_name for each in forge.store.all()} if found else {}
    return f"{API}/projects/{names.get(found[1], found[1])}{path[found.end() :]}" if found else path


GITLAB = Dialect(
    name="gitlab",
    paths=re.compile(rf"^{API}(/|$)"),
    refusal=_refusal,
    paged=_paged,
    failed=_failed,
    headers=_headers,
    named=_named,
    usual_size=20,
)
