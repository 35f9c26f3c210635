"""Property tests over random plans: what may start starts, nothing starts too early, idle is always reached."""

from __future__ import annotations

import random
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import PlanRefused
from domain.failures import Failure, FailureCategory
from domain.models import PlanChanges, State
from domain.plan import PlannedStep, add_steps, known_steps
from domain.requests import ChangeGoal
from domain.spawn_task import OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskKind
from domain.view import view
from domain.web_ui_details import details
from tests.unit.directives import BASE, dispatchable, ended, granted, planned_state, started

FAILURE = Failure(category=FailureCategory.AGENT, report="no")


@st.composite
def plans(draw: st.DrawFn) -> list[PlannedStep]:
    """Random steps whose dependencies and phases never contradict each other."""
    size = draw(st.integers(1, 12))
    phases = sorted(draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    return [
        PlannedStep(
            name=str(n),
            task_plan="x",
            order_index=phases[n],
            depends_on=tuple(str(other) for other in draw(st.sets(st.integers(0, n - 1), max_size=4))) if n else (),
        )
        for n in range(size)
    ]


def as_changes(steps: list[PlannedStep], state: State | None = None) -> PlanChanges:
    known = known_steps(state) if state else ()
    return add_steps(PlanChanges(), steps, generation=1, known=known, new_id=uuid4)


def check_invariants(state: State) -> None:
    for step in state.steps.values():
        if step.status is StepStatus.RUNNING:
            assert all(state.steps[other].status.satisfies for other in step.depends_on)
    in_flight = state.live(TaskKind.STEP)
    assert len(in_flight) <= state.directive.settings.max_parallel_steps
    for shown in view(state).steps:
        unfinished = shown.status in (StepStatus.PENDING, StepStatus.READY, StepStatus.BLOCKED)
        assert bool(shown.waiting) == unfinished, "whatever does not run says why"
    assert len(details(state).encode()) < 20_000


def drive(state: State, chance: random.Random, failing: float) -> Iterator[State]:
    """Start and end whatever can be, in random order, until nothing is left to do."""
    while tasks := dispatchable(state):
        task = chance.choice(tasks)
        state = started(state, task)
        yield state
        running = next(other for other in state.live() if other.id == task.id)
        if task.kind is TaskKind.STEP and chance.random() < failing:
            state = ended(state, running, status=OutcomeStatus.FAILED, failure=FAILURE)
        else:
            state = ended(state, running)
        yield state


@pytest.mark.rule("4.1")
@pytest.mark.rule("2.7")
@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(0, 2**32), st.integers(1, 8))
def test_every_plan_is_done_in_order_and_ends_in_idle(steps: list[PlannedStep], seed: int, parallel: int) -> None:
    state = planned_state(as_changes(steps), max_parallel_steps=parallel)
    check_invariants(state)
    for after in drive(state, random.Random(seed), failing=0):
        check_invariants(after)
        state = after
    assert state.status is DirectiveStatus.IDLE
    assert all(step.status is StepStatus.COMPLETED and step.shipped for step in state.steps.values())


@pytest.mark.rule("2.5")
@settings(max_examples=60, deadline=None)
@given(plans())
def test_every_step_that_may_start_is_dispatched_at_once(steps: list[PlannedStep]) -> None:
    state = planned_state(as_changes(steps), max_parallel_steps=64)
    lowest = min(step.order_index for step in steps)
    startable = {step.name for step in steps if not step.depends_on and step.order_index == lowest}
    assert {state.steps[task.step].name for task in dispatchable(state) if task.step} == startable


@pytest.mark.rule("4.2")
@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(0, 2**32))
def test_failures_block_exactly_what_depends_on_them_and_idle_is_reached(steps: list[PlannedStep], seed: int) -> None:
    state = planned_state(as_changes(steps), max_attempts=1)
    for after in drive(state, random.Random(seed), failing=0.4):
        check_invariants(after)
        state = after
    assert state.status is DirectiveStatus.IDLE
    for step in state.steps.values():
        assert step.status in (StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.BLOCKED)
        assert (step.status is StepStatus.BLOCKED) == bool(step.blocked_by)
        assert step.shipped == (step.status is StepStatus.COMPLETED)


@pytest.mark.rule("8.1")
@settings(max_examples=40, deadline=None)
@given(plans(), plans(), st.integers(0, 2**32), st.integers(0, 10))
def test_a_goal_change_at_any_moment_runs_no_finished_step_again(
    first: list[PlannedStep], second: list[PlannedStep], seed: int, moment: int
) -> None:
    state = planned_state(as_changes(first))
    chance = random.Random(seed)
    for _, after in zip(range(moment), drive(state, chance, failing=0), strict=False):
        state = after
    state = granted(state, ChangeGoal(goal="another"))
    finished = {step.id: step.work for step in state.steps.values() if step.status is StepStatus.COMPLETED}
    assert not [task for task in dispatchable(state) if task.kind is TaskKind.STEP], "held until the plan is there"
    planner = next(task for task in state.live(TaskKind.PLANNING) if task.generation == 2)
    for called_back in [task for task in state.live() if task.unwanted]:
        state = _called_back(state, called_back.id)
    state = ended(state, planner, plan=as_changes(second, state), base_commit=BASE)
    for task in [task for task in state.live(TaskKind.STEP, TaskKind.COMPLETION) if task.status.value == "running"]:
        state = ended(state, task)
    for after in drive(state, chance, failing=0):
        state = after
    assert state.status is DirectiveStatus.IDLE
    assert all(step.status is StepStatus.COMPLETED for step in state.steps.values())
    assert {identity: state.steps[identity].work for identity in finished} == finished
    assert all(task.attempt == 1 for task in state.tasks.values()), "being called back uses no attempt"


def _called_back(state: State, task: UUID) -> State:
    from domain.folding import fold_interrupted
    from tests.unit.directives import NOW, settled

    return settled(fold_interrupted(state, state.tasks[task], NOW).state)


def test_an_unknown_dependency_is_never_dropped() -> None:
    with pytest.raises(PlanRefused):
        as_changes([PlannedStep(name="a", task_plan="x", depends_on=("ghost",))])
