"""A generation's plan against the one before, replayed from what the planners handed over."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.errors import Refused
from domain.generations import difference, lines, plan_of, planned_generations
from domain.lookup import find_step
from domain.models import PlanChanges, Proposal, State, Step
from domain.nodes import Dependencies
from domain.statuses import StepStatus
from tests.values import directive_with

BASE = "b" * 40


def step(number: int, name: str, *on: UUID, generation: int = 1, **fields: object) -> Step:
    made = Step(
        id=UUID(int=number << 96), generation=generation, position=number, name=name, task_plan="t", depends_on=on
    )
    return made.model_copy(update=fields)


FLOOR, WALL = step(1, "floor"), step(2, "wall", UUID(int=1 << 96))
ROOF, SHED = step(3, "roof", WALL.id), step(4, "shed")
GARDEN = step(5, "garden", FLOOR.id, generation=3)
CHANGES = {
    1: PlanChanges(add=(FLOOR, WALL, ROOF)),
    2: PlanChanges(add=(step(9, "tower", generation=2),)),  # its goal was replaced before it was carried out
    3: PlanChanges(
        add=(GARDEN,), remove=(WALL.id,), set_deps=(Dependencies(step=ROOF.id, depends_on=(FLOOR.id, GARDEN.id)),)
    ),
}


@pytest.fixture
def state() -> State:
    """After three goals, of which the second was never planned; the shed was added by hand."""
    gone = WALL.model_copy(update={"removed": True, "status": StepStatus.CANCELLED})
    rewired = ROOF.model_copy(update={"depends_on": (FLOOR.id, GARDEN.id)})
    steps = {each.id: each for each in (FLOOR, gone, rewired, SHED, GARDEN)}
    fields = {"steps": steps, "tasks": {}, "generation": 3, "planned": 3, "bases": {1: BASE, 3: BASE}}
    return directive_with(steps=0).model_copy(update=fields)


@pytest.mark.rule("8.1")
def test_a_plan_is_compared_with_the_one_before(state: State) -> None:
    assert planned_generations(state) == [1, 3]
    before, after = plan_of(state, CHANGES, 1), plan_of(state, CHANGES, 3)
    assert [line.name for line in lines(state, before)] == ["floor", "wall", "roof", "shed"]
    assert [line.name for line in lines(state, after)] == ["floor", "roof", "shed", "garden"]
    found = difference(state, before, after)
    assert [line.name for line in found.added] == ["garden"]
    assert [(line.name, line.status) for line in found.removed] == [("wall", StepStatus.CANCELLED)]
    assert [(line.name, line.before, line.after) for line in found.rewired] == [
        ("roof", ("wall",), ("floor", "garden"))
    ]


@pytest.mark.rule("2.4")
def test_a_plan_that_waits_for_approval_is_shown_as_it_would_be(state: State) -> None:
    pond = step(6, "pond", generation=4)
    proposal = Proposal(generation=4, add=(pond,), remove=(SHED.id,), base_commit=BASE)
    state = state.model_copy(update={"generation": 4, "proposal": proposal})
    after = plan_of(state, CHANGES, 4)
    found = difference(state, plan_of(state, CHANGES, 3), after)
    assert [line.name for line in found.added] == ["pond"]
    assert [line.name for line in found.removed] == ["shed"]


def test_a_generation_without_a_plan_is_refused_with_those_that_have_one(state: State) -> None:
    with pytest.raises(Refused, match="no plan of generation 2; there are those of: 1, 3"):
        plan_of(state, CHANGES, 2)


def test_a_step_is_found_by_name_id_and_the_beginning_of_its_id(state: State) -> None:
    for reference in ("roof", str(ROOF.id), "00000003", "0000-0003"):
        assert find_step(state, reference).id == ROOF.id, reference
    with pytest.raises(Refused, match="means 5 steps"):
        find_step(state, "0000")
    for reference in ("tower", "000", "cafe"):
        with pytest.raises(Refused, match="there is no step"):
            find_step(state, reference)


@pytest.mark.rule("9.2")
def test_steps_of_a_plan_that_a_reset_took_back_are_left_out(state: State) -> None:
    tower = step(9, "tower")
    told = PlanChanges(
        add=(FLOOR, tower, WALL), set_deps=(Dependencies(step=WALL.id, depends_on=(tower.id, FLOOR.id)),)
    )
    plan = plan_of(state, CHANGES | {1: told}, 1)
    assert [(line.name, line.depends_on) for line in lines(state, plan)][:2] == [("floor", ()), ("wall", ("floor",))]
    assert "tower" not in str(difference(state, plan, plan_of(state, CHANGES, 3)))
