"""What was used up: by attempt, by step, by directive."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from domain.clash import Clash
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
    estimated_usd: float = 0
    """What is taken for the part of its cost that nobody tells, where that is so; no part of `cost_usd`."""
    turns: int = 0
    """Of its agent's model, where it tells of them."""
    runs: bool = False
    """It runs: the amounts are those of its daemon's last word, some seconds ago."""
    clashes: tuple[Clash, ...] = ()
    """Of a step that runs, with steps beside it and the moved base (rule 6.14)."""
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
    estimated_usd: float = 0
    """What is taken for the part of its cost that nobody tells; no part of `cost_usd`."""


def estimated(attempts: Iterable[AttemptSpent | DirectiveSpent]) -> float:
    """USD of what nobody has told the cost of."""
    return round(sum(each.estimated_usd for each in attempts if each.cost_unknown), 6)


def total(attempts: Iterable[AttemptSpent | DirectiveSpent]) -> Usage:
    """The sum of all of them."""
    used = (Usage.model_validate(each, from_attributes=True) for each in attempts)
    return sum(used, Usage())
