"""What the words and status codes of model servers mean, as the agents pass them on; pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from daemon.agents.stream_events import Ending

_BY_STATUS = {401: Ending.AUTH, 402: Ending.AUTH, 403: Ending.AUTH, 413: Ending.CONTEXT}
_LIMITS = (429, 529)
_WORDS = {
    # Asked in this order: a message about a context window also tells of an invalid request.
    Ending.CONTEXT: (
        *("prompt is too long", "context window", "context_length_exceeded", "maximum context", "input is too long"),
        "out of room",
    ),
    Ending.UNKNOWN_SESSION: ("no conversation found", "no rollout found", "session not found", "thread not found"),
    Ending.AUTH: (
        *("not logged in", "please run /login", "invalid api key", "invalid x-api-key", "invalid bearer"),
        *("unauthorized", "authentication_failed", "oauth token", "token has expired", "could not be refreshed"),
        *("log out and sign in", "credit balance", "billing_error", "missing environment variable", "no credentials"),
    ),
    Ending.LIMIT: (
        *("usage limit", "rate limit", "rate_limit", "hit your .{0,30}limit", "limit reached", "quota", "overloaded"),
        *("too many requests", "at capacity", "no capacity", "capacity (?:limits|constraints)", "out of capacity"),
    ),
    Ending.NETWORK: (
        *("connection", "econn", "etimedout", "enotfound", "eai_again", "stream disconnected", "network", "time ?out"),
        *("timed out", "server-side issue", "server_error", "high demand", "bad gateway", "service unavailable"),
        *("internal server error", "error sending request", "fetch failed"),
    ),
}
_BY_WORDS = {ending: re.compile("|".join(words), re.IGNORECASE) for ending, words in _WORDS.items()}
_STATUS = re.compile(r"\b(?:status:?|API Error:?|code)\s*\(?(\d{3})\b|\((\d{3})\)", re.IGNORECASE)
_DATE = r"(?P<month>[A-Z][a-z]{2})[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?(?:\s+(?P<year>\d{4}))?,?\s+(?:at\s+)?"
_TIME = r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?:\s*(?P<half>[ap]m)|(?<=:\d\d)(?::\d\d)?)"
_ZONE = r"(?:\s*\(?(?P<zone>UTC|GMT|[A-Z][A-Za-z]+(?:/[A-Za-z0-9_+-]+)+)\)?)?"
_CLOCK = re.compile(rf"(?:try again|resets?|available again)\s*(?:at|on)?\s*(?:{_DATE})?{_TIME}{_ZONE}", re.IGNORECASE)
_EPOCH = re.compile(r"\b(1[5-9]\d{8}|[2-9]\d{9})\b")
_JUST_PASSED = timedelta(minutes=15)
_HALF_A_YEAR = timedelta(days=183)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def ending_of(text: str, status: int | None = None, otherwise: Ending = Ending.CRASHED) -> Ending:
    """What an error of the model's server means, by its HTTP status, else by its words."""
    words = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    by_words = next((ending for ending, pattern in _BY_WORDS.items() if pattern.search(words)), None)
    status = status or _status_in(words)
    if by_words in (Ending.CONTEXT, Ending.UNKNOWN_SESSION):
        return by_words
    if status in _LIMITS:
        return Ending.LIMIT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status and status >= 500:
        return Ending.NETWORK
    return by_words or otherwise


def reset_time(text: str, now: datetime) -> datetime | None:
    """When a limit ends, by its words: seconds of the epoch, or a time of day in the zone that they name, else by the
    clock of `now`, which knows its own; the next such time where no day is given. One that has just passed is told as
    it stands: the limit is over.
    """
    if epoch := _EPOCH.search(text):
        return datetime.fromtimestamp(int(epoch[0]), tz=now.tzinfo)
    found = _CLOCK.search(text)
    if not found:
        return None
    now = now.astimezone(_zone(found["zone"])) if found["zone"] else now
    try:
        at = now.replace(hour=_hour(found), minute=int(found["minute"] or 0), second=0, microsecond=0)
        if found["month"]:
            month = _MONTHS.index(found["month"].lower()) + 1
            at = at.replace(year=int(found["year"] or now.year), month=month, day=int(found["day"]))
        return _next(at, now, has_day=bool(found["month"])) if not found["year"] else at
    except ValueError:
        return None


def _hour(found: re.Match[str]) -> int:
    hour = int(found["hour"])
    return hour if not found["half"] else hour % 12 + (12 if found["half"].lower() == "pm" else 0)


def _zone(name: str) -> tzinfo | None:
    """None, the machine's own, for one that it doesn't know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _next(at: datetime, now: datetime, *, has_day: bool) -> datetime:
    if has_day:
        return at.replace(year=at.year + 1) if now - at > _HALF_A_YEAR else at
    return at + timedelta(days=1) if now - at >= _JUST_PASSED else at


def _status_in(text: str) -> int | None:
    found = _STATUS.search(text)
    return int(found[1] or found[2]) if found else None
