"""Why a step isn't running: one line each, from the state alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.directive_settings import Settings
from domain.failures import Failure, FailureCategory
from domain.models import Proposal, State
from domain.names import short, step_task
from domain.reports import DaemonSeen
from domain.statuses import DirectiveStatus, StepStatus, TaskStatus
from domain.why import why
from tests.unit.test_cli_start import daemon
from tests.values import NOON, asking, directive_with, question, with_step


@pytest.fixture
def state() -> State:
    """Two steps of a planned directive, the second after the first."""
    made = directive_with(steps=2).model_copy(update={"status": DirectiveStatus.ACTIVE, "planned": 1})
    first, second = made.steps
    return with_step(made, second, depends_on=(first,))


def told(state: State, number: int = 1, daemons: tuple[DaemonSeen, ...] = ()) -> str:
    return why(state, list(state.steps.values())[number], daemons, NOON)


def with_task(state: State, number: int, status: TaskStatus, **fields: Any) -> State:
    task = state.tasks[step_task(list(state.steps)[number])]
    changed = task.model_copy(update={"status": status, **fields})
    return state.model_copy(update={"tasks": state.tasks | {task.id: changed}})


def at(state: State, number: int, status: StepStatus, **fields: Any) -> State:
    return with_step(state, list(state.steps)[number], status=status, **fields)


@pytest.mark.rule("4.4")
def test_a_step_names_the_steps_that_it_waits_for_and_where_they_run(state: State) -> None:
    running = with_task(at(state, 0, StepStatus.RUNNING), 0, TaskStatus.RUNNING, daemon="box")
    assert told(running) == "it waits for step 0 (running on box); it starts as soon as they are completed"
    assert told(running, 0) == "it runs on box; an attempt ends after 4 h at the latest"
    again = with_task(running, 0, TaskStatus.RUNNING, daemon="box", attempt=2)
    assert told(again, 0).startswith("it runs on box, attempt 2 of 2;")


@pytest.mark.rule("4.1")
def test_a_phase_is_named_as_such(state: State) -> None:
    phased = at(state, 1, StepStatus.PENDING, depends_on=(), order_index=1)
    assert told(phased).startswith("it waits for step 0 (pending) of an earlier phase;")


@pytest.mark.rule("4.2")
def test_a_blocked_step_names_what_failed_at_the_end_of_all_that_blocks_it(state: State) -> None:
    first, second = state.steps
    third = state.steps[second].model_copy(update={"id": UUID(int=3), "name": "step 2", "depends_on": (second,)})
    state = state.model_copy(update={"steps": state.steps | {third.id: third}})
    failure = Failure(category=FailureCategory.VERIFY, report="2 tests\nfailed")
    state = at(state, 0, StepStatus.FAILED, failure=failure)
    state = at(at(state, 1, StepStatus.BLOCKED, blocked_by=(first,)), 2, StepStatus.BLOCKED, blocked_by=(second,))
    directive = short(state.directive.id)
    assert told(state, 2) == (
        f"it is blocked by step 0, which failed (verify: 2 tests failed); "
        f'`retry-step {directive} "step 0"` or `skip-step` frees it'
    )
    assert told(state, 0).startswith("it failed after attempt 1 of 2 (verify): 2 tests failed; `retry-step")


@pytest.mark.rule("4.4")
def test_a_queued_task_tells_of_the_daemons_and_their_slots(state: State) -> None:
    queued = with_task(at(state, 0, StepStatus.READY), 0, TaskStatus.PENDING)
    gone, full, free = daemon("old", silent=91), daemon("box", running=4), daemon("mac", running=1)
    assert "no daemon of owner 'me' has reported in the last 90 s; it starts as soon" in told(queued, 0, (gone,))
    assert "no slot is free (box: 0 of 4); it starts when a task there ends" in told(queued, 0, (full, gone))
    assert told(queued, 0, (full, free)).startswith("its task is queued (box: 0 of 4 slots free, mac: 3 of 4")
    only = queued.directive.model_copy(update={"settings": Settings(on="box")})
    bound = queued.model_copy(update={"directive": only})
    assert "no daemon 'box' of owner 'me' has reported" in told(bound, 0, (free,))
    refused = with_task(queued, 0, TaskStatus.PENDING, refusals={"mac": "disk full"}, attempt=2)
    assert "queued, attempt 2 of 2 (mac: 3 of 4 slots free) (mac refused: disk full)" in told(refused, 0, (free,))


@pytest.mark.rule("8.3")
def test_a_question_is_told_with_its_answers_command_and_its_default(state: State) -> None:
    task = step_task(next(iter(state.steps)))
    asked = question(task, "Oak?", default="yes", deadline=NOON + timedelta(minutes=10))
    waiting = asking(with_task(state, 0, TaskStatus.WAITING, reason="asks"), asked)
    directive = short(state.directive.id)
    assert told(waiting, 0) == (
        f"its agent asks: Oak?; it goes on after `answer {directive} {short(asked.id)} TEXT`, "
        "or 'yes' at 12:10:00 UTC (in 10 min)"
    )


@pytest.mark.rule("5.4")
def test_a_wait_tells_when_it_is_over(state: State) -> None:
    until = NOON + timedelta(seconds=90)
    waiting = with_task(state, 0, TaskStatus.WAITING, reason="box: disk full", wait_until=until)
    assert told(waiting, 0) == "it waits: box: disk full; it goes on at 12:01:30 UTC (in 90 s)"
    due = with_task(state, 0, TaskStatus.WAITING, reason="box: disk full")
    assert told(due, 0).endswith("it goes on when there is a place")


def changed(**fields: Any) -> Callable[[State], State]:
    return lambda state: state.model_copy(update=fields)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(status=DirectiveStatus.DRAFT), "the directive is a draft; `begin"),
        (changed(status=DirectiveStatus.PAUSED, reason="no right"), "the directive is paused (no right); `resume"),
        (changed(status=DirectiveStatus.ARCHIVED), "the directive is archived: nothing runs any more"),
        (changed(generation=2), "generation 2 is being planned; it is held until that plan is there"),
        (changed(generation=2, proposal=Proposal(generation=2, add=(), remove=(), base_commit="b")), "waits for appr"),
        (lambda state: at(state, 1, StepStatus.SKIPPED), "there is nothing left to do"),
        (lambda state: at(state, 1, StepStatus.CANCELLED), "it was cancelled; `retry-step"),
        (lambda state: at(state, 1, StepStatus.CANCELLED, removed=True), "it was taken out of the plan"),
    ],
)
def test_what_holds_all_steps_is_said_of_each(state: State, change: Callable[[State], State], said: str) -> None:
    assert said in told(change(state))
    assert "\n" not in told(change(state))


def test_a_full_house_and_a_step_about_to_start_are_told_apart(state: State) -> None:
    full = state.directive.model_copy(update={"settings": Settings(max_parallel_steps=1)})
    state = at(state, 1, StepStatus.READY, depends_on=()).model_copy(update={"directive": full})
    tasks = {task.id: task for task in list(state.tasks.values())[:1]}
    assert "1 of at most 1 steps are in flight" in told(state.model_copy(update={"tasks": tasks}))
    assert told(state.model_copy(update={"tasks": {}})).startswith("it may start")
