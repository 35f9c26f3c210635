"""What the words and status codes of model servers mean, as the agents pass them on; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from daemon.agents.stream_events import Ending

_BY_STATUS = {401: Ending.AUTH, 402: Ending.AUTH, 403: Ending.AUTH, 413: Ending.CONTEXT}
_LIMITS = (429, 529)
_WORDS = {
    # Asked in this order: a message about a context window also tells of an invalid request.
    Ending.CONTEXT: (
        *("prompt is too long", "context window", "context_length_exceeded", "maximum context", "input is too long"),
        *("out of room", "exceeds the maximum number of tokens"),
    ),
    Ending.UNKNOWN_SESSION: ("no conversation found", "no rollout found", "session not found", "thread not found"),
    Ending.AUTH: (
        *("not logged in", "please run /login", "invalid api key", "invalid x-api-key", "invalid bearer"),
        *("api key not valid", "api_key_invalid", "api key (?:has )?expired", "incorrect api key"),
        *("unauthorized", "authentication_failed", "oauth token", "token has expired", "could not be refreshed"),
        *("log out and sign in", "missing environment variable", "no credentials"),
    ),
    Ending.LIMIT: (
        *("usage limit", "rate limit", "rate_limit", "limit reached", "quota", "overloaded", "throttl", "slow_down"),
        *("(?:hit|reached|exceeded) your .{0,30}limit", "(?:tokens|requests) per (?:second|minute|hour|day|month)"),
        *("out of (?:extra )?usage", "used (?:all|up) (?:of )?your", "rate exceeded", "throughput exceeded"),
        *("too many requests", "at capacity", "no capacity", "capacity (?:limits|constraints)", "out of capacity"),
        *("capacity (?:has been |is |was )?exceeded", "exhausted your capacity"),
        *("resource.{0,10}exhausted", "(?:server|model|service) is (?:too |currently )?busy"),
    ),
    Ending.NETWORK: (
        *("connection", "econn", "etimedout", "enotfound", "eai_again", "stream disconnected", "network", "time ?out"),
        *("timed out", "server-side issue", "server_error", "high demand", "bad gateway", "service ?unavailable"),
        *("internal ?server ?error", "error sending request", "fetch failed", "disconnect/reset"),
        *("service temporarily unavailable", "server had an error", "not ready for inference"),
    ),
}
_DISK = re.compile("disk quota|edquot", re.IGNORECASE)
"""What is used up on this machine, where no wait helps."""
_BILLING = re.compile(
    r"insufficient_quota|current quota|plan and billing|billing_(?:error|hard_limit)|payment required|credit balance"
    r"|(?:no active|inactive) subscription|subscription (?:has |is )?(?:expired|ended|inactive)"
    r"|account (?:has been |is )?(?:suspended|deactivated|disabled)|spend(?:ing)?[ _](?:limit|cap)",
    re.IGNORECASE,
)
"""A person has to pay, and no wait helps; where a time is told all the same, a limit calls itself so."""
_BY_WORDS = {ending: re.compile("|".join(words), re.IGNORECASE) for ending, words in _WORDS.items()}
_STATUS = re.compile(
    r"\b(?:status:?|API Error:?|(?:status_)?code[:=]?|HTTP(?:/[\d.]+)?)\s*\(?(\d{3})\b|\bError:?\s+([45]\d{2})\b"
    r"|\((\d{3})\)|\b([45]\d{2}) (?:client|server) error",
    re.IGNORECASE,
)
_DATE = r"(?P<month>[A-Z][a-z]{2})[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?(?:\s+(?P<year>\d{4}))?,?\s+(?:at\s+)?"
_TIME = r"(?P<hour>\d{1,2})(?:[:h](?P<minute>\d{2}))?(?:\s*(?P<half>[ap]\.?m)|(?<=[:h]\d\d)(?::\d\d)?)"
_ZONE = r"(?:\s*\(?(?P<zone>UTC|GMT|[A-Z][A-Za-z]+(?:/[A-Za-z0-9_+-]+)+)\)?)?"
_AGAIN = (
    r"(?:(?:try|retry|available) again|available again|retry(?:[ -]after)?|resets?|regain access"
    # German, French, Spanish, Portuguese, Italian
    r"|erneut|wieder|zurückgesetzt|réessaye[zr]|réinitialis\w+|de nuevo|restablece\w*|novamente|di nuovo)"
)
_CLOCK = re.compile(
    rf"{_AGAIN}(?:\s+(?:verfügbar|disponible|disponível|disponibile))?"
    rf"\s*(?:at|on|um|ab|à|a las|às|alle)?\s*(?:{_DATE})?{_TIME}{_ZONE}",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    rf"{_AGAIN}\s*(?:at|on)?\s*(\d{{4}}-\d\d-\d\d(?:[T ]| at )\d\d:\d\d(?::\d\d)?)"
    r"(?:\.\d+)?\s*(Z|UTC|GMT|[+-]\d\d:\d\d)?",
    re.IGNORECASE,
)
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = r"\d+(?:\.\d+)?\s*(?:days?|d|hours?|hrs?|h|minutes?|mins?|ms|m|seconds?|secs?|s)(?![a-z])"
_SPAN = re.compile(
    rf"{_AGAIN}\s*:?\s*(?:in|after)?\s*((?:{_PART}(?:\s|,|and)*)+|\d+\s*$)", re.IGNORECASE | re.MULTILINE
)
_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[dhms])?", re.IGNORECASE)
_LONGEST = timedelta(days=60)
_EPOCH = re.compile(r"\b(1[5-9]\d{8}|[2-9]\d{9})\b")
_JUST_PASSED = timedelta(minutes=15)
_HALF_A_YEAR = timedelta(days=183)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def ending_of(text: str, status: int | None = None, otherwise: Ending = Ending.CRASHED) -> Ending:
    """What an error of the model's server means, by its HTTP status, else by its words."""
    words = _DISK.sub("", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    by_words = next((ending for ending, pattern in _BY_WORDS.items() if pattern.search(words)), None)
    status = status or _status_in(words)
    if by_words in (Ending.CONTEXT, Ending.UNKNOWN_SESSION):
        return by_words
    if _BILLING.search(words) and not any(told.search(words) for told in (_SPAN, _MOMENT, _CLOCK)):
        return Ending.AUTH
    if status in _LIMITS:
        return Ending.LIMIT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status and status >= 500:
        return Ending.NETWORK
    return by_words or otherwise


def reset_time(text: str, now: datetime) -> datetime | None:
    """When a limit ends, by its words: seconds of the epoch, a span, a moment, or a time of day in the zone that they
    name, else by the clock of `now`, which knows its own; the next such time where no day is given. One that has just
    passed is told as it stands: the limit is over.
    """
    if epoch := _EPOCH.search(text):
        return datetime.fromtimestamp(int(epoch[0]), tz=now.tzinfo)
    if span := _SPAN.search(text):
        parts = _PARTS.findall(span[1])
        seconds = sum(float(number) * _UNITS[unit.lower() or "s"] for number, unit in parts)
        return now + timedelta(seconds=min(seconds, _LONGEST.total_seconds()))
    if moment := _MOMENT.search(text):
        return _moment(moment, now)
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


def _moment(found: re.Match[str], now: datetime) -> datetime | None:
    zone = (found[2] or "").upper()
    try:
        at = datetime.fromisoformat(found[1].replace(" at ", " ") + (zone if zone[:1] in ("+", "-") else ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC if zone else now.tzinfo)


def _hour(found: re.Match[str]) -> int:
    hour = int(found["hour"])
    return hour if not found["half"] else hour % 12 + (12 if found["half"].lower().startswith("p") else 0)


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
    return int(next(filter(None, found.groups()))) if found else None
