"""What was used up: by attempt, by step, by directive."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from domain.statuses import DirectiveStatus, TaskKind
from domain.usage import Usage
from domain.value import Value


class AttemptSpent(Value):
    """One try of an agent as the record has it."""

    task: UUID
    name: str
    """The task's."""
    kind: TaskKind
    step: UUID | None
    generation: int
    attempt: int
    status: str | None
    """`completed`, `failed`, `waiting`; None: it has not ended."""
    seconds: float
    cost_usd: float
    tokens: int
    cost_unknown: bool
    daemon: str
    agents: dict[str, Usage] = {}
    """Agent → what of it it has used; more than one, where others went on in its place (rule 5.9)."""
    started_at: datetime | None
    ended_at: datetime | None


class DirectiveSpent(Value):
    """All attempts of a directive together."""

    id: UUID
    title: str
    status: DirectiveStatus
    attempts: int
    seconds: float
    cost_usd: float
    tokens: int
    cost_unknown: bool


def total(attempts: Iterable[AttemptSpent | DirectiveSpent]) -> Usage:
    """The sum of all of them."""
    used = (Usage.model_validate(each, from_attributes=True) for each in attempts)
    return sum(used, Usage())


class PrunableRecord(Value):
    """A directive that ended long ago, and what of its record can go."""

    id: UUID
    title: str
    status: DirectiveStatus
    ended_at: datetime
    events: int
    log_bytes: int


DEFAULT_RETENTION = timedelta(days=30)
