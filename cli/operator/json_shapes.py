"""The shape of every `--json`, field by field in docs/json.md; those of what the client does are steering's."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from cli.operator.changes import FileChange
from domain.day_budget import DayBudgetSeen
from domain.health_report import Check
from domain.intake.taken import LeftAlone, Taken
from domain.leftovers import Leftover
from domain.models import Memory
from domain.record import Event
from domain.remote_leftovers import RemoteLeftover
from domain.reports import ArtifactSeen, DaemonSeen
from domain.retention import PrunableRecord
from domain.value import Value
from domain.view import DirectiveView
from steering.closer import PlanShown, WhyAllShown, WhyShown
from steering.shapes import (
    AnswerShown,
    CostsShown,
    ListShown,
    LogsShown,
    SchedulesShown,
    StartedShown,
    StatusShown,
    TriggeredShown,
)
from steering.shown import QuestionsShown, Shown


class TaskProgress(Value):
    """An attempt that a daemon works on, as its latest heartbeat says."""

    kind: str
    """`prepare`, `planning`, `step` or `completion`."""
    task: str
    """The first 8 hex digits of its id."""
    daemon: str
    phase: str
    last_line: str
    seconds: float
    """Since this delivery was started, by this machine's clock."""
    limit_seconds: float
    """How long the attempt may take (rule 5.7)."""
    delivery: int
    """Counted from 1; more than that after a lost daemon."""


class WatchShown(DirectiveView):
    version: Literal[1] = 1
    lost: str
    progress: tuple[TaskProgress, ...]


class LogPieceShown(Shown):
    id: UUID
    name: str
    attempt: int
    delivery: str
    at: datetime
    text: str


class BodyShown(Shown):
    body: str


class MemoryShown(Shown):
    memories: tuple[Memory, ...]


class ArtifactsShown(Shown):
    artifacts: tuple[ArtifactSeen, ...]


class ArtifactShown(Shown):
    name: str
    content: str


class HistoryShown(Shown):
    events: tuple[Event, ...]


class DaemonsShown(Shown):
    daemons: tuple[DaemonSeen, ...]


class DoctorShown(Shown):
    checks: tuple[Check, ...]


class GraphShown(Shown):
    format: str
    text: str


class IntakeShown(Value):
    repository: str
    label: str
    taken: tuple[Taken, ...]
    left: tuple[LeftAlone, ...]
    trouble: str


class IntakesShown(Shown):
    intakes: tuple[IntakeShown, ...]


class FoundShown(Value):
    tool: str
    because: str
    setup: tuple[str, ...]
    verify: tuple[str, ...]


class InitShown(Shown):
    file: str | None
    found: tuple[FoundShown, ...]
    text: str


class DayBudgetsShown(Shown):
    budgets: tuple[DayBudgetSeen, ...]


class DiffShown(Shown):
    step: UUID
    name: str
    branch: str
    base: str
    head: str
    files: tuple[FileChange, ...]
    patch: str


class PruneShown(Shown):
    older_than_days: int
    directives: tuple[PrunableRecord, ...]
    pruned: bool


class CleanShown(Shown):
    found: tuple[Leftover, ...]
    removed: bool


class RemoteCleanShown(Shown):
    repository: str
    found: tuple[RemoteLeftover, ...]
    removed: tuple[str, ...]


class RecoveredDirective(Value):
    id: UUID
    title: str
    recovered: bool
    why: str


class RecoverShown(Shown):
    directives: tuple[RecoveredDirective, ...]


SHAPES: dict[str, type[Value]] = {
    "start": StartedShown,
    "create": StartedShown,
    "start --wait": StatusShown,
    "list": ListShown,
    "status": StatusShown,
    "watch": WatchShown,
    "logs": LogsShown,
    "logs --follow": LogPieceShown,
    "questions": QuestionsShown,
    "body": BodyShown,
    "memory": MemoryShown,
    "artifacts": ArtifactsShown,
    "artifacts NAME": ArtifactShown,
    "history": HistoryShown,
    "costs": CostsShown,
    "budget": DayBudgetsShown,
    "intake": IntakesShown,
    "init": InitShown,
    "schedule": SchedulesShown,
    "schedule trigger": TriggeredShown,
    "prune": PruneShown,
    "clean": CleanShown,
    "clean --remote": RemoteCleanShown,
    "daemons": DaemonsShown,
    "doctor": DoctorShown,
    "graph": GraphShown,
    "plan": PlanShown,
    "why": WhyAllShown,
    "why STEP": WhyShown,
    "diff": DiffShown,
    "recover": RecoverShown,
    "every action": AnswerShown,
}
"""Command → what it prints with `--json`; `watch` and `logs --follow` print one for every change, each on a line."""
