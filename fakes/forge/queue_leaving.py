"""What the record says once one has left the merge queue; pure."""

from __future__ import annotations

from fakes.forge.merge_records import QueueEntry, QueueReason, QueueTurn
from fakes.forge.records import Pull, RepositoryRecord, now

QUEUE_LOGIN = "github-merge-queue[bot]"
"""Whose doing it is that the queue itself does (from memory)."""


def entry_of(record: RepositoryRecord, number: int) -> QueueEntry | None:
    return next((each for each in record.queue if each.number == number), None)


def stale_entries(record: RepositoryRecord) -> list[QueueEntry]:
    """Those that are out of the queue now: their branch was pushed to, or they are closed."""
    return [each for each in record.queue if not _holds(record.pull(each.number), each)]


def with_turn(pull: Pull, turn: QueueTurn) -> Pull:
    return pull.model_copy(update={"queue_turns": (*pull.queue_turns, turn), "updated_at": turn.at})


def without_entry(
    record: RepositoryRecord, entry: QueueEntry, user: str, reason: QueueReason | None
) -> RepositoryRecord:
    """The same, and the pull request tells of it."""
    pull = record.pull(entry.number)
    assert pull is not None
    left = record.with_changes(queue=tuple(each for each in record.queue if each.number != entry.number))
    turn = QueueTurn(entry=entry, user=user, left=True, reason=reason, at=now())
    return left.with_pull(with_turn(pull, turn))


def _holds(pull: Pull | None, entry: QueueEntry) -> bool:
    return pull is not None and pull.is_open and (pull.head_sha, pull.base) == (entry.head, entry.base)
