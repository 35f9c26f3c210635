"""What a workflow task of a large plan costs: Temporal takes one of two seconds for a deadlock, and evicts the run."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain import folding, policy, record
from domain.agents import TaskAgents
from domain.budget import Budget
from domain.change import Draft
from domain.dispatch import spawn_command
from domain.events import EventName
from domain.models import PlanChanges, State, Step, Task, Work
from domain.names import step_task
from domain.plan import check_order
from domain.plan_folding import check_against
from domain.readiness import standing
from domain.record import Changed
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from domain.usage import Usage
from domain.used import Costs
from tests.executed import Lines
from tests.unit.directives import BASE, NOW, begun, dispatchable, later

SMALL, LARGE = 100, 600
FEW, MOST = 4, 48
"""Steps that end, and as many that are dispatched for them, in one workflow task."""
USED = Usage(seconds=3, cost_usd=0.25, tokens=1000)


def step(number: int, status: StepStatus, *, phase: int = 0) -> Step:
    done = status is StepStatus.COMPLETED
    return Step(
        id=UUID(int=number + 1),
        name=f"Step {number}",
        generation=1,
        position=number,
        order_index=phase,
        task_plan="x",
        status=status,
        work=Work(branch="b", base=BASE, head=BASE, commits=1) if done else None,
    )


def task_of(step: Step, status: TaskStatus) -> Task:
    done = status is TaskStatus.COMPLETED
    agents = TaskAgents(name="shell", used={"shell": USED} if done else {})
    usage = USED if done else None
    common = {"kind": TaskKind.STEP, "name": step.name, "step": step.id, "generation": 1}
    return Task(id=step_task(step.id), status=status, agents=agents, usage=usage, **common)


def state_of(steps: list[Step], tasks: list[Task], budget: Budget | None = None) -> State:
    state = begun(max_parallel_steps=64, **({"budget": budget} if budget else {}))
    found = {"steps": {each.id: each for each in steps}, "tasks": {each.id: each for each in tasks}}
    known = {"planned": 1, "bases": {1: BASE}, "status": DirectiveStatus.ACTIVE}
    return state.model_copy(update={**found, **known})


def underway(count: int, at_once: int, budget: Budget | None = None) -> State:
    """`at_once` steps run, as many may start, and all others are completed."""
    standing = [StepStatus.COMPLETED] * (count - 2 * at_once) + [StepStatus.RUNNING] * at_once
    begun = [step(number, status) for number, status in enumerate(standing)]
    ready = [step(number, StepStatus.READY) for number in range(count - at_once, count)]
    return state_of([*begun, *ready], [task_of(each, TaskStatus(each.status)) for each in begun], budget)


def lines_of_a_workflow_task(state: State) -> int:
    """What runs has ended: all of it is folded in, what follows is dispatched, and the record is told."""
    ended = [(task, outcome_of(task)) for task in state.live()]
    changed = []
    with Lines() as taken:
        for task, outcome in ended:
            change = folding.fold_outcome(state, task, outcome, NOW, agent="shell")
            state = change.state
            changed.append(change.changed)
        change = policy.advance(state, NOW, recorded=1)
        state = change.state
        policy.next_wake(state)
        costs = Costs(state)
        for task in dispatchable(state):
            spawn_command(state, task, costs=costs)
        record.fitted(record.write(state, Changed.joined([*changed, change.changed]), "run", 1))
    assert len(dispatchable(state)) == len(ended)
    return taken.count


def outcome_of(task: Task) -> Outcome:
    work = Work(branch="b", base=BASE, head=BASE, commits=1)
    return Outcome(task=task.id, attempt=1, status=OutcomeStatus.COMPLETED, usage=USED, work=work)


@pytest.mark.parametrize("budget", [None, Budget(cost_usd=100_000)], ids=["unbounded", "with a budget"])
def test_what_a_step_costs_does_not_grow_with_its_plan(budget: Budget | None) -> None:
    """All tasks are looked at once a workflow task, not once for each step that ends or starts in it."""

    def of_each(count: int) -> float:
        few, most = (lines_of_a_workflow_task(underway(count, at_once, budget)) for at_once in (FEW, MOST))
        return (most - few) / (MOST - FEW)

    assert of_each(LARGE) < 1.1 * of_each(SMALL)


def growth(cost: dict[int, int]) -> float:
    return cost[LARGE] / cost[SMALL]


LINEAR = 1.1 * LARGE / SMALL


@pytest.mark.parametrize("failed", [False, True], ids=["nothing has failed", "the first has failed"])
def test_phases_are_judged_and_checked_in_proportion_to_the_plan(failed: bool) -> None:
    judged, checked = {}, {}
    for count in (SMALL, LARGE):
        steps = [step(number, StepStatus.PENDING, phase=number) for number in range(count)]
        steps[0] = step(0, StepStatus.FAILED if failed else StepStatus.RUNNING)
        state = state_of(steps, [])
        with Lines() as taken:
            standing(state)
        judged[count] = taken.count
        with Lines() as taken:
            check_order(steps)
        checked[count] = taken.count
    assert growth(judged) < LINEAR
    assert growth(checked) < LINEAR


def test_removals_of_a_plan_are_looked_up_in_proportion_to_it() -> None:
    taken_by = {}
    for count in (SMALL, LARGE):
        steps = [step(number, StepStatus.PENDING) for number in range(count)]
        changes = PlanChanges(remove=tuple(each.id for each in steps))
        with Lines() as taken:
            check_against(state_of(steps, []), changes)
        taken_by[count] = taken.count
    assert growth(taken_by) < LINEAR


def test_tasks_that_come_due_together_are_woken_in_proportion_to_them() -> None:
    """As after a limit of their common account."""
    taken_by = {}
    for count in (SMALL, LARGE):
        steps = [step(number, StepStatus.READY) for number in range(count)]
        waits = {"wait_until": later(5)}
        tasks = [task_of(each, TaskStatus.WAITING).model_copy(update=waits) for each in steps]
        state = state_of(steps, tasks)
        with Lines() as taken:
            woken = policy.advance(state, later(9), recorded=1).state
        assert len(dispatchable(woken)) == 64
        taken_by[count] = taken.count
    assert growth(taken_by) < LINEAR


def test_what_a_change_holds_is_gathered_in_proportion_to_it() -> None:
    """What is checked anew with each thing that is added asks each id for its hash."""
    taken_by = {}
    for count in (SMALL, LARGE):
        draft = Draft(state_of([step(number, StepStatus.PENDING) for number in range(count)], []), NOW)
        with Lines() as taken:
            for number in range(count):
                draft.step(UUID(int=number + 1), status=StepStatus.READY)
                draft.event(EventName.STEP_ADDED, step=UUID(int=number + 1))
            change = draft.change()
        assert len(change.changed.steps) == len(change.changed.facts.events) == count
        taken_by[count] = taken.count
    assert growth(taken_by) < LINEAR
