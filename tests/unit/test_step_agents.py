"""A plan gives its steps the agents and models that the operator allows, and no others (rule 3.6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.directive_settings import AgentChoice, NamedAgent, StepAgents
from domain.dispatch import spawn_command
from domain.errors import PlanRefused
from domain.handover import Handover, add, task_context
from domain.models import PlanChanges, State, Step
from domain.plan import add_steps, read_planned
from domain.plan_shape import entries_of
from domain.statuses import DirectiveStatus, TaskStatus
from tests.unit.directives import BASE, begun, dispatchable, ended

pytestmark = pytest.mark.rule("3.6")

MAY = StepAgents(default="claude", allowed=("claude:haiku", "codex"))


def planned(may: StepAgents = MAY, **fields: Any) -> Step:
    entry = {"name": "roof", "task_plan": "tiles", **fields}
    (step,) = add_steps(PlanChanges(), read_planned([entry]), generation=1, known=(), new_id=uuid4, agents=may).add
    return step


def house() -> State:
    return begun(agent=AgentChoice(name="claude"), step_agents=MAY.allowed)


@pytest.mark.parametrize(
    ("fields", "agent"),
    [
        ({"agent": "codex"}, AgentChoice(name="codex")),
        ({"agent": "claude", "model": "haiku"}, AgentChoice(name="claude", model="haiku")),
        ({"model": "haiku"}, AgentChoice(name="claude", model="haiku")),
        (
            {"agents": ["claude", "codex"], "model": "haiku"},
            AgentChoice(name="claude", model="haiku", then=(NamedAgent(name="codex"),)),
        ),
        ({"agent": "", "model": ""}, None),
        ({}, None),
    ],
)
def test_what_is_allowed_is_the_steps(fields: dict[str, Any], agent: AgentChoice | None) -> None:
    assert planned(**fields).agent == agent


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"agent": "opencode"}, "opencode"),
        ({"agent": "claude"}, "claude"),
        ({"agent": "claude", "model": "opus"}, "claude:opus"),
        ({"model": "opus"}, "claude:opus"),
        ({"agent": ["codex", "opencode"]}, "opencode"),
        ({"agent": ["codex", "codex"]}, "named twice"),
    ],
)
def test_what_is_not_allowed_is_refused_by_its_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(PlanRefused, match=f"step 'roof': agent .*{named}"):
        planned(**fields)
    with pytest.raises(PlanRefused, match="none"):
        planned(StepAgents(default="claude"), agent="codex")


def test_the_planner_is_told_and_its_command_refuses() -> None:
    (task,) = dispatchable(house())
    command = spawn_command(house(), task)
    assert "claude:haiku, codex" in command.prompt
    assert "Agents for steps" not in spawn_command(begun(), task).prompt
    context, new = task_context(command), uuid4
    entry = {"name": "roof", "task_plan": "tiles", "agent": "opencode"}
    with pytest.raises(PlanRefused, match="'opencode' is not allowed"):
        add(Handover(), context, read_planned([entry]), new)
    (step,) = add(Handover(), context, read_planned([{**entry, "agent": "codex"}]), new).plan.add
    assert step.agent == AgentChoice(name="codex")


@pytest.mark.parametrize(
    "forged",
    [
        AgentChoice(name="opencode"),
        AgentChoice(name="codex", arguments=("--anything",)),
        AgentChoice(name="codex", then=(NamedAgent(name="shell"),)),
        AgentChoice(name="codex", then=(NamedAgent(name="claude:haiku", arguments=("--anything",)),)),
        AgentChoice(name="codex", then=(NamedAgent(name="codex", model="opus"),)),
    ],
)
def test_what_a_daemon_hands_over_is_not_believed(forged: AgentChoice) -> None:
    state = house()
    (task,) = dispatchable(state)
    plan = PlanChanges(add=(planned().model_copy(update={"agent": forged}),))
    state = ended(state, task, plan=plan, base_commit=BASE)
    assert not state.steps
    again = state.tasks[task.id]
    assert (again.status, again.attempt) == (TaskStatus.PENDING, 2), "it goes back to the planner"
    assert again.earlier is not None and "step 'roof'" in again.earlier.report
    assert ended(state, again, plan=plan, base_commit=BASE).status is DirectiveStatus.PAUSED


def test_its_agent_does_it_and_the_others_have_the_usual_one() -> None:
    state = house()
    (task,) = dispatchable(state)
    plan = PlanChanges(add=(planned(model="haiku"), planned().model_copy(update={"name": "wall", "id": UUID(int=9)})))
    state = ended(state, task, plan=plan, base_commit=BASE)
    agents = {
        command.step_name: command.agent for command in (spawn_command(state, each) for each in dispatchable(state))
    }
    assert agents == {"roof": AgentChoice(name="claude", model="haiku"), "wall": AgentChoice(name="claude")}


@pytest.mark.parametrize("field", ["agent", "agents", "model"])
def test_a_group_of_steps_names_no_agent_for_them(field: str) -> None:
    step = {"name": "roof", "task_plan": "tiles"}
    groups = [{"name": "one", field: "codex", "steps": [step]}, {"name": "two", "steps": [{**step, "name": "wall"}]}]
    with pytest.raises(PlanRefused, match=f"'one': {field}: it belongs to each of the steps"):
        entries_of({"phases": groups})
