"""What a forge's answer means for us: to be used, to be asked for again later, or a person's business; pure.

The texts name host, repository and call, never an address or a header: those may hold tokens and signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
from pydantic import ValidationError

from daemon.forges.pace import EVERYTHING
from domain.errors import ForgeRefused, ForgeUnreachable
from domain.tolerant import Tolerant

SECONDARY_WAIT = timedelta(seconds=60)
"""What GitHub asks for where it names no time, and others get, too."""
LONGEST_WAIT = timedelta(hours=2)
"""Whatever a header says, asking again after it does no harm: limits are counted by the hour."""
LIMITS = ("rate limit", "abuse detection", "submitted too quickly")
"""What a forge says of who is to wait, with 403, with 422 or with GraphQL's 200 (from memory)."""
NOT_SHOWN = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""What a GET is refused with where a token may not see something, or it isn't there."""
LIMITED = "asks us to wait: its rate limit is reached"
_SHOWN = 300


class ComplaintDetail(Tolerant):
    message: str = ""
    field: str = ""
    code: str = ""

    @property
    def text(self) -> str:
        return self.message or " ".join(filter(None, (self.field, self.code)))


class Complaint(Tolerant):
    message: str = ""
    errors: tuple[ComplaintDetail | str, ...] | None = ()

    @property
    def text(self) -> str:
        details = (error if isinstance(error, str) else error.text for error in self.errors or ())
        return "; ".join(filter(None, (self.message, *details)))


class Later(ForgeUnreachable):
    """The same call may succeed later: the adapter tries it again while its time lasts."""

    def __init__(self, text: str, until: datetime | None = None, limit: str | None = None) -> None:
        """`limit`: the resource of which the forge wants nothing asked before `until` (`daemon.forges.pace`); None: it
        is about this call alone.
        """
        super().__init__(text, until)
        self.limit = limit


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
    is_limited = says(complaint_of(answer), LIMITS)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and is_limited:
        return Later("takes no more changes for the moment", _retry_after(answer, now))
    if status not in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
        return None
    until = named_time(answer, now)
    if until or status == HTTPStatus.TOO_MANY_REQUESTS or is_limited:
        return Later(f"{LIMITED} ({status})", until or now + SECONDARY_WAIT, _resource_of(answer))
    return None


def named_time(answer: httpx.Response, now: datetime) -> datetime | None:
    """When the forge wants to be asked again, where its headers say so."""
    return _retry_after(answer, now) or _reset(answer, now)


def refusal(answer: httpx.Response, host: str, call: str, remedies: Mapping[int, str]) -> Declined | None:
    """Whether the forge says no; `call` is what was asked for, `remedies` what a person does about it, by status."""
    if not answer.is_client_error:
        return None
    status, complaint = HTTPStatus(answer.status_code), complaint_of(answer)
    text = f"{host} refuses {call} ({status}: {complaint})"
    remedy = remedies.get(status)
    return Declined(f"{text}: {remedy}" if remedy else text, status, complaint)


def says(complaint: str, words: tuple[str, ...]) -> bool:
    return any(each in complaint.lower() for each in words)


def complaint_of(answer: httpx.Response) -> str:
    """What the answer says is wrong, on one line."""
    try:
        complaint = Complaint.model_validate_json(answer.content)
    except ValidationError:
        return answer.reason_phrase
    return one_line(complaint.text) or answer.reason_phrase


def one_line(text: str) -> str:
    """`text` without what would break a line or a terminal, cut to 300 characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_SHOWN]


def _retry_after(answer: httpx.Response, now: datetime) -> datetime | None:
    seconds = answer.headers.get("retry-after", "")
    return now + min(timedelta(seconds=int(seconds[:9])), LONGEST_WAIT) if seconds.isdecimal() else None


def _resource_of(answer: httpx.Response) -> str:
    """What is used up. A limit that is told with a time of its own is of all that the token does."""
    is_of_one = "retry-after" not in answer.headers and answer.headers.get("x-ratelimit-remaining") == "0"
    return answer.headers.get("x-ratelimit-resource", EVERYTHING) if is_of_one else EVERYTHING


def _reset(answer: httpx.Response, now: datetime) -> datetime | None:
    # GitLab's begin without the x.
    at, remaining = (
        answer.headers.get(f"x-ratelimit-{name}") or answer.headers.get(f"ratelimit-{name}", "")
        for name in ("reset", "remaining")
    )
    if remaining != "0":
        return None
    if not at.isdecimal():
        return now + SECONDARY_WAIT
    return min(max(datetime.fromtimestamp(int(at[:11]), UTC), now), now + LONGEST_WAIT)
