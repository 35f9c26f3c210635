"""What a directive does with a task whose agent's account has to wait (rules 5.3, 5.4, 5.6)."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from domain.dispatch import spawn_command
from domain.failures import Failure, FailureCategory
from domain.folding import fold_cannot_serve, fold_no_daemon
from domain.models import PlanChanges, State, Task
from domain.plan import PlannedStep, add_steps
from domain.policy import next_wake
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskStatus
from domain.usage import ResumableSession, Usage
from tests.unit.directives import NOW, dispatchable, ended, later, planned_state, settled

RESUME = ResumableSession(agent="claude", session="s1", daemon="box", usage=Usage(cost_usd=0.5, tokens=7))


@pytest.fixture
def state() -> State:
    step = PlannedStep(name="walls", task_plan="build")
    plan = add_steps(PlanChanges(), [step], generation=1, known=(), new_id=uuid4)
    return planned_state(plan, max_turns=9, max_cost_usd=2.5)


def refused(state: State, task: Task, daemon: str, **until: timedelta) -> tuple[State, Task]:
    at = NOW + until["until"] if "until" in until else None
    after = fold_cannot_serve(state, task, daemon, "no", NOW, at).state
    return after, after.tasks[task.id]


@pytest.mark.rule("5.4")
def test_a_task_that_all_daemons_have_parked_waits_until_the_first_of_them_is_free(state: State) -> None:
    (task,) = dispatchable(state)
    state, task = refused(state, task, "one", until=timedelta(hours=3))
    state, task = refused(state, task, "two", until=timedelta(hours=2))
    state = fold_no_daemon(state, task, NOW).state
    assert state.tasks[task.id].wait_until == NOW + timedelta(hours=2)
    assert next_wake(settled(state)) == NOW + timedelta(hours=2)
    (again,) = dispatchable(settled(state, NOW + timedelta(hours=2)))
    assert again.refusals == {"one": "no"}, "its time has not come"


@pytest.mark.rule("5.4")
def test_a_time_that_is_near_is_not_waited_beyond(state: State) -> None:
    (task,) = dispatchable(state)
    state, task = refused(state, task, "one", until=timedelta(milliseconds=100))
    state = fold_no_daemon(state, task, NOW).state
    assert state.tasks[task.id].wait_until == NOW + timedelta(milliseconds=100)
    assert dispatchable(settled(state, NOW + timedelta(milliseconds=99))) == []
    (again,) = dispatchable(settled(state, NOW + timedelta(milliseconds=100)))
    assert (again.refusals, again.refused_until) == ({}, {})


@pytest.mark.rule("5.4")
def test_a_daemon_that_says_no_time_is_asked_again_soon(state: State) -> None:
    (task,) = dispatchable(state)
    state, task = refused(state, task, "one", until=timedelta(hours=3))
    state, task = refused(state, task, "two")
    state = fold_no_daemon(state, task, NOW).state
    soon = NOW + state.directive.settings.timings.cannot_serve
    assert state.tasks[task.id].wait_until == soon
    (task,) = dispatchable(settled(state, soon))
    assert task.refusals == {"one": "no"}, "the other one is not asked before its time"
    state = fold_cannot_serve(settled(state, soon), task, "two", "no", soon).state
    state = fold_no_daemon(state, state.tasks[task.id], soon).state
    assert state.tasks[task.id].wait_until == soon + state.directive.settings.timings.cannot_serve
    three_hours_later = NOW + timedelta(hours=3)
    (task,) = dispatchable(settled(state, three_hours_later))
    assert task.refusals == {}


def test_a_time_that_is_over_already_makes_nobody_ask_in_a_loop(state: State) -> None:
    (task,) = dispatchable(state)
    state, task = refused(state, task, "one", until=timedelta(hours=-1))
    state = fold_no_daemon(state, task, NOW).state
    assert state.tasks[task.id].wait_until == NOW + state.directive.settings.timings.cannot_serve


@pytest.mark.rule("5.6")
def test_a_limit_uses_no_attempt_and_the_attempt_goes_on_in_its_session(state: State) -> None:
    (task,) = dispatchable(state)
    state = ended(state, task, status=OutcomeStatus.WAITING, wait_until=later(60), resume=RESUME, summary="limit")
    waits = state.tasks[task.id]
    assert (waits.status, waits.attempt, waits.reason) == (TaskStatus.WAITING, 1, "limit")
    state = settled(state, later(61))
    (again,) = dispatchable(state)
    assert spawn_command(state, again).resume == RESUME


@pytest.mark.rule("5.5")
def test_another_attempt_begins_with_a_session_of_its_own(state: State) -> None:
    (task,) = dispatchable(state)
    state = ended(state, task, status=OutcomeStatus.WAITING, wait_until=NOW, resume=RESUME)
    (again,) = dispatchable(state)
    failure = Failure(category=FailureCategory.CRASHED, report="no")
    state = ended(state, again, status=OutcomeStatus.FAILED, failure=failure)
    (second,) = dispatchable(state)
    assert second.attempt == 2
    assert spawn_command(state, second).resume is None


@pytest.mark.rule("5.7")
def test_a_budget_is_told_to_the_daemon_and_not_spent_twice(state: State) -> None:
    (task,) = dispatchable(state)
    limits = spawn_command(state, task).limits
    assert (limits.turns, limits.cost_usd) == (9, 2.5)
    failure = Failure(category=FailureCategory.BUDGET, report="it has cost 2.5 of 2.5 USD")
    state = ended(state, task, status=OutcomeStatus.FAILED, failure=failure)
    assert state.tasks[task.id].status is TaskStatus.FAILED
