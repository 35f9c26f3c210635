"""Directives of no-op steps, and a daemon that needs neither agent nor git for them."""

from __future__ import annotations

from itertools import pairwise
from uuid import uuid4

from bench.stopwatch import Stopwatch
from domain.directive_settings import Settings
from domain.models import Directive, State, Step, Text, Work
from domain.spawn_task import Delivery, Outcome, OutcomeStatus, SpawnTask
from domain.statuses import TaskKind

COMMIT = "c" * 40


def chain(owner: str, length: int, *, once: bool = True) -> State:
    """A directive whose plan was given: each step depends on the one before it."""
    steps = [_step(at) for at in range(1, length + 1)]
    linked = [each.model_copy(update={"depends_on": (before.id,)}) for before, each in pairwise(steps)]
    return _directive(owner, (steps[0], *linked), once=once)


def fan(owner: str, count: int) -> State:
    """A directive whose steps depend on nothing."""
    return _directive(owner, tuple(_step(at) for at in range(1, count + 1)), once=True)


def _step(number: int) -> Step:
    """As a plan's, of which one has fewer steps than are wanted here."""
    plan = f"Do nothing for the {number}. time."
    return Step(id=uuid4(), name=f"Step {number}", generation=1, position=number, task_plan=plan)


def _directive(owner: str, steps: tuple[Step, ...], *, once: bool) -> State:
    identity = uuid4()
    directive = Directive(
        id=identity,
        owner=owner,
        # A workflow has the title and eight digits for its id: of ten thousand two would be the same one day.
        text=Text(title=f"Do nothing {identity.hex}", goal="Nothing is done"),
        repository="https://example.invalid/nothing.git",
        base_branch="main",
        settings=Settings(once=once),
    )
    return State(directive=directive, given_plan=steps)


class NoOpDaemon:
    """Implements activities.ports.Daemon: every task is done at once; only steps are timed."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch

    async def spawn(self, command: SpawnTask, delivery: Delivery) -> Outcome:
        if command.kind is not TaskKind.STEP:
            return _done(command)
        with self._stopwatch.work():
            return _done(command)


def _done(command: SpawnTask) -> Outcome:
    done = Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED)
    if command.kind is TaskKind.PREPARE:
        return done.model_copy(update={"base_commit": COMMIT})
    base, head = command.base_commit or COMMIT, command.task.hex + COMMIT[:8]
    return done.model_copy(update={"work": Work(branch=command.target_branch, base=base, head=head, commits=1)})
