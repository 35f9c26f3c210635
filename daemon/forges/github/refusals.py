"""What GitHub's answer means for us, beyond every forge's: which right is missing, what GraphQL says; pure."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

import httpx

from daemon.forges.github.payloads import GraphAnswer
from daemon.forges.pace import EVERYTHING
from daemon.forges.refusals import LIMITED, LIMITS, Declined, Later, complaint_of, one_line, says
from daemon.forges.refusals import refusal as plain_refusal

CORE, GRAPHQL = "core", "graphql"
"""What GitHub counts apart, as its headers name it."""
_PASSING = ("something went wrong", "timeout", "timed out", "try again")
"""What GraphQL says, with 200, where GitHub itself has failed (from memory)."""
_PASSING_TYPES = frozenset({"INTERNAL", "INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"})
_LIMITED = frozenset({"RATE_LIMIT", "RATE_LIMITED"})
"""GraphQL's word for it: today's, and the one of before, which Enterprise may still use."""
_OF_AN_APP = ("by integration",)
"""How GitHub refuses what the token of an app's installation may not."""
_NEEDED = (
    "access to this repository: the scope repo, or the permissions contents=write, pull_requests=write, statuses=read "
    "and actions=read"
)


def refusal(answer: httpx.Response, host: str, call: str, place: str) -> Declined | None:
    """Whether the forge says no; `call` is what was asked for, `place` where the token comes from."""
    if not answer.is_client_error:
        return None
    remedies: dict[int, str] = {
        HTTPStatus.UNAUTHORIZED: f"put a valid token into {place}",
        HTTPStatus.FORBIDDEN: remedy_of(answer, place),
        # What a token may not see, GitHub calls not found.
        HTTPStatus.NOT_FOUND: f"it isn't there, or {remedy_of(answer, place)}",
    }
    return plain_refusal(answer, host, call, remedies)


def graph_trouble(answer: GraphAnswer, host: str, place: str, until: datetime | None = None) -> Later | Declined | None:
    """The same for what GraphQL says in an answer with status 200; `until`: the time that its headers name."""
    if not answer.errors:
        return None
    types = {error.type for error in answer.errors}
    complaint = one_line("; ".join(error.message for error in answer.errors))
    if types & _LIMITED or says(complaint, LIMITS):
        return Later(LIMITED, until, GRAPHQL if types & _LIMITED else EVERYTHING)
    if types & _PASSING_TYPES or says(complaint, _PASSING):
        return Later("has failed within its answer", until)
    text = f"{host} refuses the change ({complaint})"
    if types & {"FORBIDDEN", "INSUFFICIENT_SCOPES"}:
        return Declined(f"{text}: the token from {place} needs {_NEEDED}", HTTPStatus.FORBIDDEN, complaint)
    return Declined(text, HTTPStatus.UNPROCESSABLE_ENTITY, complaint)


def remedy_of(answer: httpx.Response, place: str) -> str:
    """What is missing where a right is: the token's scope (classic), its permission (fine-grained), or a consent.

    `place` is where the token comes from.
    """
    has, needs = (answer.headers.get(f"x-{which}oauth-scopes") for which in ("", "accepted-"))
    if "archived" in complaint_of(answer).lower():
        return "unarchive it, or archive the directive: an archived repository takes no changes"
    if "required" in answer.headers.get("x-github-sso", ""):
        return f"authorize the token from {place} for the organization's single sign-on"
    if needs and not _scopes(has) & _scopes(needs):
        return f"give the token from {place} the scope {one_line(needs)} (it has: {one_line(has or '') or 'none'})"
    if permissions := answer.headers.get("x-accepted-github-permissions"):
        wanted = " or ".join(each.strip() for each in permissions.split(";"))
        whom = "app of the token" if says(complaint_of(answer), _OF_AN_APP) else "token"
        return f"give the {whom} from {place} the permission {one_line(wanted)}, on this repository"
    return f"the token from {place} needs {_NEEDED}"


def _scopes(header: str | None) -> set[str]:
    return {scope.strip() for scope in (header or "").split(",") if scope.strip()}


def has_no_drafts(declined: Declined) -> bool:
    """Private repositories of some plans have none."""
    return declined.status == HTTPStatus.UNPROCESSABLE_ENTITY and "draft" in declined.complaint.lower()
