"""The shape of every `--json`, field by field in docs/json.md.

`version` rises when a field goes or means something else; new fields may come at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from cli.operator.changes import FileChange
from cli.operator.text_lines import waiting_note
from domain.day_budget import DayBudgetSeen
from domain.experience import Estimate
from domain.generations import PlanDifference, PlannedLine
from domain.health_report import Check
from domain.intake.taken import LeftAlone, Taken
from domain.logged import DeliveryTold, LogPiece
from domain.models import Answer, Memory, Question, Task
from domain.record import Event
from domain.reports import ArtifactSeen, DaemonSeen, DirectiveSummary
from domain.spending import AttemptSpent, DirectiveSpent, PrunableRecord
from domain.statuses import StepStatus, TaskKind, TaskStatus
from domain.usage import Usage
from domain.value import Value
from domain.view import DirectiveView

if TYPE_CHECKING:
    from cli.operator.recorded import Found


class Shown(Value):
    """One object on one line."""

    version: Literal[1] = 1


class StartedShown(Shown):
    id: UUID
    workflow_id: str
    title: str
    web_ui: str | None
    sandbox: tuple[str, ...] = ()


class ListShown(Shown):
    directives: tuple[DirectiveSummary, ...]
    unknown: str


class StatusShown(DirectiveView):
    version: Literal[1] = 1
    live: bool
    lost: str
    held_up: dict[str, str]
    web_ui: str | None
    waiting: str
    daemons: tuple[DaemonSeen, ...]
    running: tuple[AttemptSpent, ...]


def status_shown(
    look: Found[DirectiveView],
    daemons: Sequence[DaemonSeen],
    web_ui: str | None,
    running: Sequence[AttemptSpent] = (),
) -> StatusShown:
    """What `status` prints of a directive, for programs."""
    return StatusShown(
        **look.seen.model_dump(),
        live=look.live,
        lost=look.lost,
        held_up=look.held_up,
        web_ui=web_ui,
        waiting=waiting_note(look.seen, daemons),
        daemons=tuple(daemons),
        running=tuple(running),
    )


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


class LoggedDelivery(Value):
    attempt: int
    delivery: str
    daemon: str
    agent: str
    begun: datetime
    ended: datetime | None
    how: str
    log: str


class LoggedTask(Value):
    id: UUID
    name: str
    kind: TaskKind
    status: TaskStatus
    attempt: int
    daemon: str
    log: str
    deliveries: tuple[LoggedDelivery, ...]


def logged_task(task: Task, found: Sequence[tuple[DeliveryTold, Sequence[LogPiece]]]) -> LoggedTask:
    """A task with the logs of its deliveries; its own log is the latest one's."""
    deliveries = [
        LoggedDelivery(**delivery.model_dump(exclude={"newest"}), log="".join(piece.text for piece in pieces))
        for delivery, pieces in found
    ]
    fields = task.model_dump(include={"id", "name", "kind", "status", "attempt", "daemon"})
    return LoggedTask(**fields, log=deliveries[-1].log if deliveries else "", deliveries=tuple(deliveries))


class LogsShown(Shown):
    tasks: tuple[LoggedTask, ...]


class LogPieceShown(Shown):
    id: UUID
    name: str
    attempt: int
    delivery: str
    at: datetime
    text: str


class AskedQuestion(Question):
    directive: UUID


class QuestionsShown(Shown):
    questions: tuple[AskedQuestion, ...]


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


class PlanShown(Shown):
    generation: int
    waits_for_approval: bool
    steps: tuple[PlannedLine, ...]
    against: int | None
    difference: PlanDifference | None
    estimate: Estimate | None = None


class WhyShown(Shown):
    step: UUID
    name: str
    status: StepStatus
    why: str


class WhyAllShown(Shown):
    steps: tuple[WhyShown, ...]


class CostsShown(Shown):
    directives: tuple[DirectiveSpent, ...]
    attempts: tuple[AttemptSpent, ...]
    total: Usage


class IntakeShown(Value):
    repository: str
    label: str
    taken: tuple[Taken, ...]
    left: tuple[LeftAlone, ...]
    trouble: str


class IntakesShown(Shown):
    intakes: tuple[IntakeShown, ...]


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


class RecoveredDirective(Value):
    id: UUID
    title: str
    recovered: bool
    why: str


class RecoverShown(Shown):
    directives: tuple[RecoveredDirective, ...]


class AnswerShown(Answer):
    version: Literal[1] = 1
    request_id: str


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
    "prune": PruneShown,
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
