"""The log of a task, delivery by delivery: whose it is, and how that one ended (rule 6.11); pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.events import EventName
from domain.record import Event
from domain.spawn_task import OutcomeStatus
from domain.value import Value

ENDS = {
    EventName.TASK_WAITS: "waits",
    EventName.TASK_REFUSED: "handed back",
    EventName.TASK_CALLED_BACK: "called back",
    EventName.OUTCOME_REFUSED: "its outcome was refused",
    EventName.ATTEMPT_FAILED: "failed",
}
"""The events of a task after which the delivery before is over, with the word for it."""
LONGEST_WHY = 200


@dataclass(frozen=True)
class LogPlace:
    """How far a delivery's log was read: to before the byte `next_byte`."""

    attempt: int
    delivery: str
    next_byte: int = 0


@dataclass(frozen=True)
class LogPiece:
    """Text of a log that was written at one time, within a second."""

    at: datetime
    text: str


class DeliveryRow(Value):
    """What the record has of a delivery, and of the attempt that it belongs to."""

    attempt: int
    delivery: str
    daemon: str
    agent: str
    begun: datetime
    newest: int
    """The first byte of the last chunk of its log that is here; -1: there is none."""
    status: str | None
    """The attempt's, which is an OutcomeStatus; None: it has not ended."""
    ended_at: datetime | None
    failure: str | None


class DeliveryTold(Value):
    """One start of an attempt on a machine."""

    attempt: int
    delivery: str
    """Its name, 8 hex digits."""
    daemon: str
    """Empty: it ended before its start was told."""
    agent: str
    begun: datetime
    ended: datetime | None
    """None: not yet, or nobody knows when."""
    how: str
    """It ended; empty: not yet, as far as is known."""
    newest: int = -1
    """As in `DeliveryRow`."""


def told(rows: Sequence[DeliveryRow], ends: Sequence[Event]) -> Iterator[DeliveryTold]:
    """Deliveries of one task with how they ended. `rows` by attempt and beginning; `ends`: its events out of ENDS."""
    for number, row in enumerate(rows):
        after = rows[number + 1] if number + 1 < len(rows) else None
        ended, how = _end(row, after, ends)
        fields = row.model_dump(include={"attempt", "delivery", "daemon", "agent", "begun", "newest"})
        yield DeliveryTold(**fields, ended=ended, how=how)


def _end(row: DeliveryRow, after: DeliveryRow | None, ends: Sequence[Event]) -> tuple[datetime | None, str]:
    is_last = after is None or after.attempt != row.attempt
    if is_last and row.status in (OutcomeStatus.COMPLETED, OutcomeStatus.FAILED):
        return row.ended_at, f"{row.status}: {row.failure}" if row.failure else str(row.status)
    for event in ends:
        if row.begun <= event.at and (after is None or event.at <= after.begun):
            why = f": {event.why[:LONGEST_WHY]}" if event.why else ""
            return event.at, f"{ENDS[EventName(event.what)]}{why}"
    if after is None:
        return None, ""
    return None, f"lost with its daemon: the work went on as delivery {after.delivery}" if not is_last else "given up"
