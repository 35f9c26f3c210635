"""Which document holds the plan, and which part of it is one; the plain forms are in test_plan.py."""

from __future__ import annotations

import json

import pytest

from domain.chain_plan import MAX_TRIES, plan_artifact, read_chain_plan
from domain.errors import NoPlanFound, PlanRefused
from domain.prompt_texts import PLANNER_RULES, TALKING

PLAN = [{"name": "a", "task_plan": 'print({"x": [1]})'}, {"name": "b", "taskPlan": "y", "dependsOn": ["a"]}]
DRAFT = {"steps": [{"name": "draft", "task_plan": "x"}]}


@pytest.mark.rule("3.3")
@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ((), None),
        (("report.md",), "report.md"),
        (("report.md", "other"), "report.md"),
        (("report.md", "My-CHAIN.json", "plan.json"), "My-CHAIN.json"),
        (("report.md", "The Plan"), "The Plan"),
    ],
)
def test_the_plan_is_in_the_artifact_that_says_so_else_in_the_first(names: tuple[str, ...], chosen: str | None) -> None:
    assert plan_artifact(names) == chosen


@pytest.mark.rule("3.3")
@pytest.mark.parametrize(
    "text",
    [
        f"First I thought {json.dumps(DRAFT)}, but {json.dumps(PLAN)}. Done {{so}} [far].",
        f"```json\n{json.dumps(DRAFT)}\n```\nBetter:\n```\n{json.dumps(PLAN)}\n```",
        json.dumps({"steps": PLAN}) + '\nexit {"code": 0} [{"name": "log", "level": "info"}]',
        PLANNER_RULES + json.dumps({"steps": PLAN}, indent=1) + TALKING,
    ],
)
def test_the_last_plan_in_a_text_counts(text: str) -> None:
    assert [step.name for step in read_chain_plan(text)] == ["a", "b"]


@pytest.mark.rule("3.3")
@pytest.mark.parametrize(
    "text",
    [
        PLANNER_RULES + TALKING,
        'added: [{"id": "x", "name": "a", "depends_on": []}]',
        '{"tags": [{"name": "pets", "description": "All of them"}]}',
        "[" * 200_000,
    ],
)
def test_what_an_agent_prints_besides_is_no_plan(text: str) -> None:
    with pytest.raises(NoPlanFound):
        read_chain_plan(text)


@pytest.mark.rule("3.4")
def test_a_malformed_step_is_named_and_not_taken_for_no_plan() -> None:
    with pytest.raises(PlanRefused, match=r"step 2 \(''\): name") as refused:
        read_chain_plan(f"My plan: {json.dumps({'steps': [PLAN[0], {'task_plan': 'x'}]})}")
    assert not isinstance(refused.value, NoPlanFound)


@pytest.mark.rule("1", "3.3")
def test_the_largest_plan_is_found_after_any_amount_of_log() -> None:
    steps = [{"name": f"{n}", "task_plan": "{[" * 10, "depends_on": [str(n - 1)] if n else []} for n in range(200)]
    log = '{"type": "event", "n": [1, 2]}\n' * MAX_TRIES
    assert len(read_chain_plan(f"{log}{json.dumps({'steps': steps})}\nThat is it.")) == 200
