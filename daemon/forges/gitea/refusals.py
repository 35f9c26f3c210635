"""What Gitea's and Forgejo's refusals mean: which right is missing, whose rule it breaks; pure."""

from __future__ import annotations

from http import HTTPStatus

import httpx

from daemon.forges.refusals import Declined
from daemon.forges.refusals import refusal as plain_refusal

_NEEDED = (
    "the token from {place} needs the scopes write:repository, write:issue and read:user, and its account write access "
    "to this repository"
)


def refusal(answer: httpx.Response, host: str, call: str, place: str) -> Declined | None:
    """Whether the forge says no; `call` is what was asked for, `place` where the token comes from."""
    needed = _NEEDED.format(place=place)
    remedies: dict[int, str] = {
        HTTPStatus.UNAUTHORIZED: f"put a valid token into {place}",
        HTTPStatus.FORBIDDEN: needed,
        HTTPStatus.NOT_FOUND: f"it isn't there, or {needed}",
        HTTPStatus.LOCKED: "unarchive it, or archive the directive: an archived repository takes no changes",
    }
    return plain_refusal(answer, host, call, remedies)
