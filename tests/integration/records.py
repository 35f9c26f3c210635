"""Reading of the record, as tests need it."""

from __future__ import annotations

from uuid import UUID, uuid4

from ledger.reader import Record
from steering.following import TaskReader


async def log_of(record: Record, task: UUID) -> str:
    """All that a task's deliveries have logged, in order."""
    reader = TaskReader(record, uuid4(), task)
    return "".join([piece.text async for _, pieces in reader.news() for piece in pieces])
