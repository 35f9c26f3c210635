"""Where steps stand, by the short way and by the one that every plan can go."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest

from domain.models import Step
from domain.readiness import standing
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


@pytest.mark.rule("4.1")
def test_a_phase_waits_for_a_lower_one_where_nothing_has_failed() -> None:
    steps = [step(1, StepStatus.READY), step(2, StepStatus.PENDING, phase=1)]
    state = begun().model_copy(update={"steps": {each.id: each for each in steps}})
    assert standing(state)[UUID(int=2)] == (StepStatus.PENDING, ())
