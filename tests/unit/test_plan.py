from __future__ import annotations

import json
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chain_plan import read_chain_plan
from domain.errors import PlanRefused
from domain.models import PlanChanges, Step
from domain.plan import (
    MAX_DESCRIPTION,
    MAX_NAME,
    MAX_PLAN,
    MAX_TASK_PLAN,
    PlannedStep,
    add_steps,
    read_planned,
)
from domain.plan_references import MAX_STEPS
from domain.spawn_task import KnownStep


def planned(name: str, *depends_on: str, **fields: Any) -> PlannedStep:
    return PlannedStep(**{"name": name, "task_plan": "do it", "depends_on": depends_on, **fields})


def add(*steps: PlannedStep, known: tuple[KnownStep, ...] = (), to: PlanChanges | None = None) -> tuple[Step, ...]:
    changes = add_steps(to or PlanChanges(), steps, generation=2, known=known, new_id=uuid4)
    return changes.add


def known(name: str, generation: int) -> KnownStep:
    return KnownStep(id=uuid4(), name=name, generation=generation, status="completed", finished=True, running=False)


@pytest.mark.rule("3.4")
@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([planned("a", "b")], "depends on 'b', which is no step's name or id"),
        ([planned("a", "b"), planned("b", "a")], "in a circle: 'a' → 'b' → 'a'"),
        ([planned("a", "a")], "in a circle"),
        ([planned("a", "b", order_index=0), planned("b", order_index=1)], "in a circle"),
        ([planned("a"), planned("a")], "two steps of one plan are named 'a'"),
        ([planned("a"), planned(" a ")], "two steps of one plan are named 'a'"),
        ([planned(" ")], "has no name"),
        ([planned("a", task_plan="  ")], "'a' has no task plan"),
        ([planned("a", order_index=-1)], "order_index is -1"),
        ([planned("a", order_index=10**20)], "between 0 and 1000000"),
        ([planned("n" * (MAX_NAME + 1))], "at most 200 characters"),
        ([planned("a", description="d" * (MAX_DESCRIPTION + 1))], "'a': a description has at most 4 KiB"),
        ([planned("a", task_plan="é" * (MAX_TASK_PLAN // 2 + 1))], "'a': a task plan has at most 64 KiB"),
        ([planned(str(n), task_plan="x" * MAX_TASK_PLAN) for n in range(MAX_PLAN // MAX_TASK_PLAN)], "512 KiB"),
        ([planned(str(n)) for n in range(MAX_STEPS + 1)], "at most 200 steps"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused_with_the_step_and_the_reason(steps: list[PlannedStep], said: str) -> None:
    with pytest.raises(PlanRefused, match=None) as refused:
        add(*steps)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.rule("3.4")
def test_the_limits_themselves_are_accepted() -> None:
    add(*(planned(str(n)) for n in range(MAX_STEPS)))
    add(planned("n" * MAX_NAME, description="d" * MAX_DESCRIPTION, task_plan="x" * MAX_TASK_PLAN))


@pytest.mark.rule("3.4")
def test_a_name_means_this_plans_step_first_then_the_newest_known_one_and_an_id_means_that_step() -> None:
    old, newer = known("walls", 1), known("walls", 2)
    (roof,) = add(planned("roof", "walls"), known=(newer, old))
    assert roof.depends_on == (newer.id,)
    walls, roof = add(planned("walls"), planned("roof", "walls", str(old.id)), known=(old, newer))
    assert roof.depends_on == (walls.id, old.id)


@pytest.mark.rule("3.4")
def test_steps_added_later_may_depend_on_steps_added_earlier() -> None:
    first = add_steps(PlanChanges(), [planned("a")], generation=1, known=(), new_id=uuid4)
    a, b = add(planned("b", "a"), to=first)
    assert b.depends_on == (a.id,)
    assert (a.position, b.position) == (0, 1)


@pytest.mark.rule("3.4")
def test_camel_case_and_snake_case_are_both_read() -> None:
    camel = {"name": "b", "taskPlan": "x", "dependsOn": ["a"], "orderIndex": 1}
    snake = {"name": "b", "task_plan": "x", "depends_on": ["a"], "order_index": 1}
    assert read_planned([camel]) == read_planned([snake])


@pytest.mark.rule("3.4")
@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"name": "a"}, "a plan is a JSON list"),
        (["a"], "step 1"),
        ([{"name": "a", "dependson": []}], "step 1 ('a'): dependson"),
        ([{"task_plan": "x"}], "step 1 (''): name"),
        ([{"name": "a", "order_index": "soon"}], "order_index"),
    ],
)
def test_a_malformed_entry_is_named(entries: object, said: str) -> None:
    with pytest.raises(PlanRefused) as refused:
        read_planned(entries)
    assert said in str(refused.value)


STEPS = [{"name": "a", "task_plan": "x"}, {"name": "b", "task_plan": "y", "depends_on": ["a"]}]


@pytest.mark.rule("3.3")
@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"steps": STEPS}),
        json.dumps(STEPS),
        f"Here is the plan:\n```json\n{json.dumps({'steps': STEPS}, indent=2)}\n```\nGood luck!",
        f"```\n{json.dumps(STEPS)}\n```",
        f"I would do this: {json.dumps({'steps': STEPS})} and nothing else.",
        f"Remember [this] first. {json.dumps(STEPS)}",
    ],
)
def test_a_chain_plan_is_found_whole_fenced_or_among_prose(document: str) -> None:
    assert [step.name for step in read_chain_plan(document)] == ["a", "b"]


@pytest.mark.rule("3.3")
@pytest.mark.parametrize("document", ["", "no plan today", "[]", '{"steps": []}', "{", '{"steps": 3}', "[" * 5000])
def test_a_document_without_a_plan_is_refused(document: str) -> None:
    with pytest.raises(PlanRefused, match="no plan found"):
        read_chain_plan(document)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(0, 3), min_size=10, max_size=10),
)
def test_no_cycle_is_ever_accepted(edges: list[tuple[int, int]], phases: list[int]) -> None:
    """Whatever is accepted has an order in which every dependency and every lower phase comes first."""
    steps = [planned(str(n), *{str(b) for a, b in edges if a == n}, order_index=phases[n]) for n in range(10)]
    counter = count()
    try:
        accepted = add_steps(PlanChanges(), steps, generation=1, known=(), new_id=lambda: UUID(int=next(counter))).add
    except PlanRefused:
        return
    done: set[UUID] = set()
    while len(done) < len(accepted):
        startable = [
            step
            for step in accepted
            if step.id not in done
            and set(step.depends_on) <= done
            and all(other.id in done for other in accepted if other.order_index < step.order_index)
        ]
        assert startable, "the accepted plan can't be finished"
        done |= {step.id for step in startable}
