"""How long the record keeps events and logs of what has ended (docs/operations.md)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from domain.statuses import DirectiveStatus
from domain.value import Value

DEFAULT_RETENTION = timedelta(days=30)


class PrunableRecord(Value):
    """A directive that ended long ago, and what of its record can go."""

    id: UUID
    title: str
    status: DirectiveStatus
    ended_at: datetime
    events: int
    log_bytes: int
