"""Where steps stand, by the short way and by the one that every plan can go."""

from __future__ import annotations

from functools import cache
from random import Random
from uuid import UUID

import pytest

from domain.models import Step
from domain.readiness import MOST_BLOCKERS, standing
from domain.shepherd_state import Fix
from domain.statuses import StepStatus
from tests.unit.directives import begun

UNBLOCKED = (StepStatus.PENDING, StepStatus.READY, StepStatus.RUNNING, StepStatus.COMPLETED, StepStatus.SKIPPED)


def step(number: int, status: StepStatus, depends_on: tuple[int, ...] = (), phase: int = 0) -> Step:
    return Step(
        id=UUID(int=number),
        name=str(number),
        generation=1,
        order_index=phase,
        depends_on=tuple(UUID(int=other) for other in depends_on),
        position=number,
        task_plan="x",
        status=status,
    )


@pytest.mark.rule("4.1")
@pytest.mark.parametrize("seed", range(50))
def test_a_failure_beside_them_changes_nothing_for_steps_that_do_not_wait_for_it(seed: int) -> None:
    """A plan in which something has failed is sorted, others are not: the same for both."""
    chance = Random(seed)
    steps = [
        step(number, chance.choice(UNBLOCKED), tuple(chance.sample(range(number), chance.randint(0, min(number, 3)))))
        for number in range(12)
    ]
    state = begun().model_copy(update={"steps": {each.id: each for each in steps}})
    beside = step(99, StepStatus.FAILED)
    assert standing(state) == standing(state.model_copy(update={"steps": {**state.steps, beside.id: beside}}))


def judged(steps: list[Step]) -> dict[UUID, tuple[StepStatus, tuple[UUID, ...]]]:
    """As rules 4.1 and 4.2 say it, step by step."""
    known = {each.id: each for each in steps}

    def waits_for(each: Step) -> list[UUID]:
        lower = [other for other in steps if other.order_index < each.order_index and not each.fix]
        holding = [other for other in lower if not (other.removed or other.fix or other.status.satisfies)]
        phases = [other.id for other in sorted(holding, key=lambda other: other.order_index)]
        return list(dict.fromkeys([*each.depends_on, *phases]))

    @cache
    def status(identity: UUID) -> tuple[StepStatus, tuple[UUID, ...]]:
        each = known[identity]
        if each.status.is_finished or each.status is StepStatus.RUNNING:
            return each.status, ()
        before = [(other, status(other)[0]) for other in waits_for(each)]
        failed = [other for other, is_now in before if is_now in (StepStatus.FAILED, StepStatus.CANCELLED)]
        blocked = [other for other, is_now in before if is_now is StepStatus.BLOCKED]
        if failed or blocked:
            return StepStatus.BLOCKED, tuple([*failed, *blocked][:MOST_BLOCKERS])
        return (StepStatus.READY if all(is_now.satisfies for _, is_now in before) else StepStatus.PENDING), ()

    return {each.id: status(each.id) for each in steps if each.status.is_unstarted}


@pytest.mark.rule("4.1")
@pytest.mark.parametrize("seed", range(60))
def test_many_phases_are_judged_as_the_rules_say(seed: int) -> None:
    chance = Random(seed)
    most = chance.choice((12, 60))  # of sixty more block than are named
    phases = sorted(chance.randint(0, 6) for _ in range(most))
    steps = [
        step(number, chance.choice(tuple(StepStatus)), tuple(chance.sample(range(number), min(number, 2))), phase)
        for number, phase in enumerate(phases)
    ]
    fix = Fix(starts_at="c" * 40)
    steps = [
        each.model_copy(update={"removed": each.status is StepStatus.CANCELLED and chance.random() < 0.5})
        if chance.random() < 0.8
        else each.model_copy(update={"fix": fix})
        for each in steps
    ]
    state = begun().model_copy(update={"steps": {each.id: each for each in chance.sample(steps, most)}})
    assert standing(state) == judged(list(state.steps.values()))


@pytest.mark.rule("4.1")
def test_a_phase_waits_for_a_lower_one_where_nothing_has_failed() -> None:
    steps = [step(1, StepStatus.READY), step(2, StepStatus.PENDING, phase=1)]
    state = begun().model_copy(update={"steps": {each.id: each for each in steps}})
    assert standing(state)[UUID(int=2)] == (StepStatus.PENDING, ())
