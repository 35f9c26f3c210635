"""Directives for tests of the pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from domain.change import Change
from domain.directive_settings import AgentChoice, Settings
from domain.dispatch import spawn_command
from domain.folding import fold_outcome, fold_started
from domain.models import Directive, PlanChanges, State, Task, Text, Work
from domain.operations import apply
from domain.plan import PlannedStep, add_steps
from domain.policy import advance
from domain.requests import Begin, Request
from domain.spawn_task import Outcome, OutcomeStatus, TaskStarted
from domain.statuses import TaskKind, TaskStatus
from domain.timings import Timings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASE = "b" * 40


def begun(**settings: Any) -> State:
    """A directive that was just started and waits for its planner."""
    chosen = {"planner": AgentChoice(name="planner"), "timings": Timings.fast(), **settings}
    directive = Directive(
        id=UUID(int=7),
        owner="default",
        text=Text(title="House", goal="A house"),
        repository="https://example.invalid/r.git",
        base_branch="main",
        settings=Settings(**chosen),
    )
    return granted(State(directive=directive), Begin())


def granted(state: State, request: Request) -> State:
    change = apply(state, request, NOW)
    assert isinstance(change, Change), change
    return settled(change.state)


def settled(state: State, now: datetime = NOW) -> State:
    """After everything that follows by itself has followed; nothing may follow twice."""
    after = advance(state, now, recorded=99).state
    assert advance(after, now, recorded=99).state == after
    return after


def dispatchable(state: State) -> list[Task]:
    """The tasks that the workflow would schedule now."""
    return [task for task in state.live() if task.status is TaskStatus.PENDING and not task.unwanted]


def started(state: State, task: Task) -> State:
    signal = TaskStarted(task=task.id, attempt=task.attempt, delivery="d" * 8, daemon="one")
    return settled(fold_started(state, signal, NOW).state)


def ended(state: State, task: Task, **outcome: Any) -> State:
    """The task's attempt ends: completed unless told otherwise."""
    spawn_command(state, task)  # every dispatched task must have a command
    given: dict[str, Any] = {"status": OutcomeStatus.COMPLETED, **outcome}
    if given["status"] is OutcomeStatus.COMPLETED and task.kind in (TaskKind.STEP, TaskKind.COMPLETION):
        head = task.id.hex[:32] + f"{task.attempt:08d}"
        given.setdefault("work", Work(branch=f"makima/{task.id.hex[:8]}", base=BASE, head=head, commits=1))
    return settled(fold_outcome(state, task, Outcome(task=task.id, attempt=task.attempt, **given), NOW).state)


def planned_state(changes: PlanChanges, **settings: Any) -> State:
    """A directive whose planner has just handed over `changes`."""
    state = begun(**settings)
    (planner,) = dispatchable(state)
    return ended(state, planner, plan=changes, base_commit=BASE)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def one_step() -> PlanChanges:
    """A plan of one step."""
    step = PlannedStep(name="roof", task_plan="tiles")
    return add_steps(PlanChanges(), [step], generation=1, known=(), new_id=uuid4)
