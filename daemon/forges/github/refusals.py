"""What GitHub's answer means for us: to be used, to be asked for again later, or a person's business; pure.

The texts name host, repository and call, never an address or a header: those may hold tokens and signatures.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
from pydantic import ValidationError

from daemon.forges.github.payloads import Complaint, GraphAnswer
from domain.errors import ForgeRefused, ForgeUnreachable

SECONDARY_WAIT = timedelta(seconds=60)
"""What GitHub asks for where it names no time."""
LONGEST_WAIT = timedelta(hours=2)
"""Whatever a header says, asking again after it does no harm: limits are counted by the hour."""
_LIMITS = ("rate limit", "abuse detection", "submitted too quickly")
"""What GitHub says of who is to wait, with 403, with 422 or with GraphQL's 200 (from memory)."""
_PASSING = ("something went wrong", "timeout", "timed out", "try again")
"""What GraphQL says, with 200, where GitHub itself has failed (from memory)."""
_PASSING_TYPES = frozenset({"INTERNAL", "INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"})
NOT_SHOWN = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""What a GET is refused with where a token may not see something, or it isn't there."""
_LIMITED = frozenset({"RATE_LIMIT", "RATE_LIMITED"})
"""GraphQL's word for it: today's, and the one of before, which Enterprise may still use."""
_SHOWN = 300
_NEEDED = (
    "access to this repository: the scope repo, or the permissions contents=write, pull_requests=write, statuses=read "
    "and actions=read"
)


class Later(ForgeUnreachable):
    """The same call may succeed later: the adapter tries it again while its time lasts."""


class LogUnreachable(ForgeUnreachable):
    """The host where a file lies doesn't answer; the forge itself does."""


class Declined(ForgeRefused):
    """Refused with a status that the adapter may know what to do with."""

    def __init__(self, text: str, status: int, complaint: str) -> None:
        super().__init__(text)
        self.status = status
        self.complaint = complaint
        """What the forge says, on one line."""


def later(answer: httpx.Response, now: datetime) -> Later | None:
    """Whether the forge asks us to wait: over a limit (429, or a 403 that says so), or broken (5xx)."""
    status = answer.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return Later(f"answers {status}", _retry_after(answer, now))
    is_limited = _says(complaint_of(answer), _LIMITS)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and is_limited:
        return Later("takes no more changes for the moment", _retry_after(answer, now))
    if status not in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
        return None
    until = named_time(answer, now)
    if until or status == HTTPStatus.TOO_MANY_REQUESTS or is_limited:
        return Later(f"asks us to wait: its rate limit is reached ({status})", until or now + SECONDARY_WAIT)
    return None


def named_time(answer: httpx.Response, now: datetime) -> datetime | None:
    """When the forge wants to be asked again, where its headers say so."""
    return _retry_after(answer, now) or _reset(answer, now)


def refusal(answer: httpx.Response, host: str, call: str, place: str) -> Declined | None:
    """Whether the forge says no; `call` is what was asked for, `place` where the token comes from."""
    if not answer.is_client_error:
        return None
    status, complaint = HTTPStatus(answer.status_code), complaint_of(answer)
    remedies = {
        HTTPStatus.UNAUTHORIZED: f": put a valid token into {place}",
        HTTPStatus.FORBIDDEN: f": {remedy_of(answer, place)}",
        # What a token may not see, GitHub calls not found.
        HTTPStatus.NOT_FOUND: f": it isn't there, or {remedy_of(answer, place)}",
    }
    text = f"{host} refuses {call} ({status}: {complaint}){remedies.get(status, '')}"
    return Declined(text, status, complaint)


def graph_trouble(answer: GraphAnswer, host: str, place: str, until: datetime | None = None) -> Later | Declined | None:
    """The same for what GraphQL says in an answer with status 200; `until`: the time that its headers name."""
    if not answer.errors:
        return None
    types = {error.type for error in answer.errors}
    complaint = one_line("; ".join(error.message for error in answer.errors))
    if types & _LIMITED or _says(complaint, _LIMITS):
        return Later("asks us to wait: its rate limit is reached", until)
    if types & _PASSING_TYPES or _says(complaint, _PASSING):
        return Later("has failed within its answer", until)
    text = f"{host} refuses the change ({complaint})"
    if types & {"FORBIDDEN", "INSUFFICIENT_SCOPES"}:
        return Declined(f"{text}: the token from {place} needs {_NEEDED}", HTTPStatus.FORBIDDEN, complaint)
    return Declined(text, HTTPStatus.UNPROCESSABLE_ENTITY, complaint)


def _says(complaint: str, words: tuple[str, ...]) -> bool:
    return any(each in complaint.lower() for each in words)


def complaint_of(answer: httpx.Response) -> str:
    """What the answer says is wrong, on one line."""
    try:
        complaint = Complaint.model_validate_json(answer.content)
    except ValidationError:
        return answer.reason_phrase
    return one_line(complaint.text) or answer.reason_phrase


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
        return f"give the token from {place} the permission {one_line(wanted)}, on this repository"
    return f"the token from {place} needs {_NEEDED}"


def one_line(text: str) -> str:
    """`text` without what would break a line or a terminal, cut to 300 characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_SHOWN]


def _scopes(header: str | None) -> set[str]:
    return {scope.strip() for scope in (header or "").split(",") if scope.strip()}


def _retry_after(answer: httpx.Response, now: datetime) -> datetime | None:
    seconds = answer.headers.get("retry-after", "")
    return now + min(timedelta(seconds=int(seconds[:9])), LONGEST_WAIT) if seconds.isdecimal() else None


def _reset(answer: httpx.Response, now: datetime) -> datetime | None:
    at = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") != "0":
        return None
    if not at.isdecimal():
        return now + SECONDARY_WAIT
    return min(max(datetime.fromtimestamp(int(at[:11]), UTC), now), now + LONGEST_WAIT)


def has_no_drafts(declined: Declined) -> bool:
    """Private repositories of some plans have none."""
    return declined.status == HTTPStatus.UNPROCESSABLE_ENTITY and "draft" in declined.complaint.lower()
