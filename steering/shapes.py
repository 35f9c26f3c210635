"""What the client says of directives, which is what the commands print with `--json` (docs/json.md)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from domain.logged import DeliveryTold, LogPiece
from domain.models import Answer, Task
from domain.reports import DaemonSeen, DirectiveSummary
from domain.spending import AttemptSpent, DirectiveSpent
from domain.start_defaults import DefaultsFrom
from domain.statuses import DirectiveStatus, TaskKind, TaskStatus
from domain.usage import Usage
from domain.value import Value
from domain.view import DirectiveView
from steering.shown import Shown
from steering.standing import Standing, waiting_note


class StartedShown(Shown):
    id: UUID
    workflow_id: str
    title: str
    web_ui: str | None
    sandbox: tuple[str, ...] = ()
    defaults: tuple[DefaultsFrom, ...] = ()
    defaults_unread: str = ""


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


def status_shown(standing: Standing) -> StatusShown:
    """All of it, flat."""
    look = standing.look
    return StatusShown(
        **look.seen.model_dump(),
        live=look.live,
        lost=look.lost,
        held_up=look.held_up,
        web_ui=standing.page,
        waiting=waiting_note(look.seen, standing.daemons),
        daemons=tuple(standing.daemons),
        running=tuple(standing.running),
    )


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


class CostsShown(Shown):
    directives: tuple[DirectiveSpent, ...]
    attempts: tuple[AttemptSpent, ...]
    total: Usage


class AnswerShown(Answer):
    version: Literal[1] = 1
    request_id: str
    recorded: bool
    """Else what is read next may be from before."""


class FiringShown(Value):
    """The latest one of a schedule."""

    scheduled_at: datetime
    workflow_id: str
    firing: str
    """How its workflow stands, in Temporal's words; empty: it is no longer known there."""
    failure: str
    """Why it has failed."""
    directive: UUID
    """Started, or to be started."""
    status: DirectiveStatus | None
    """The directive's; None: nothing of it is recorded."""
    lost: str = ""


class ScheduleShown(Value):
    name: str
    title: str
    repository: str
    crons: tuple[str, ...]
    time_zone: str
    overlap: str
    catchup_window: timedelta
    paused: bool
    note: str
    """Why it is paused."""
    next: datetime | None
    """When it fires next, were it not paused; None: never again."""
    fired: int
    skipped: int
    """Firings that an earlier one, which still ran, has kept from beginning."""
    missed: int
    """Firings whose time, while Temporal was away, is longer ago than the catch-up window."""
    running: int
    last: FiringShown | None


class SchedulesShown(Shown):
    schedules: tuple[ScheduleShown, ...]
    unreadable: tuple[str, ...] = ()
    """Names of those that hold what is no schedule of ours."""


class TriggeredShown(Shown):
    name: str
    outcome: Literal["fired", "skipped", "waits"]
    """`skipped`: an earlier firing still runs; `waits`: until then, or until Temporal has got to it."""
    directive: UUID | None
    """The one that it starts, once it has fired."""
