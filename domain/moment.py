"""Moments that others tell: with their zone, and such as every part can hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9998, 12, 31, tzinfo=UTC)
LONGEST_WAIT = timedelta(days=60)
"""How long a task waits for a time that somebody else has named, before it is tried again (rule 5.6)."""


def _held(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")  # compared with ours it would be an error, again and again
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"a time lies between the years {EARLIEST.year} and {LATEST.year}")
    return moment


Moment = Annotated[datetime, AfterValidator(_held)]
"""Aware; from 1970 to 9998. In any zone it has a day in UTC, which the record and every clock can tell."""


def not_too_far(until: datetime, now: datetime) -> datetime:
    """`until`, or the end of the longest wait where that comes first."""
    return min(until, now + LONGEST_WAIT)
