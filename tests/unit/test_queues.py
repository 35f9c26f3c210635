"""Where a task waits for a daemon (rule 5.4, design 10)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from daemon.settings import DaemonSettings
from domain.chain_plan import read_chain_plan
from domain.errors import PlanRefused
from domain.models import PlanChanges, State
from domain.operations import apply
from domain.plan import PlannedStep, add_steps, known_steps
from domain.queues import feature_of, label_of, queue_of
from domain.requests import AddStep, Begin, EditStep
from domain.statuses import DirectiveStatus, TaskKind
from tests.unit.directives import NOW, begun, dispatchable, ended, granted, planned_state

pytestmark = pytest.mark.rule("5.4")


def planned(*labels: str, **settings: Any) -> State:
    steps = [PlannedStep(name=f"step {at}", task_plan="do it", label=label) for at, label in enumerate(labels)]
    return planned_state(add_steps(PlanChanges(), steps, generation=1, known=(), new_id=uuid4), **settings)


def prepared(**settings: Any) -> State:
    """A directive with a plan of its own that was just started."""
    draft = begun(**settings).model_copy(update={"status": DirectiveStatus.DRAFT, "tasks": {}})
    given = tuple(planned("").steps.values())
    return granted(draft.model_copy(update={"given_plan": given}), Begin())


def queues(state: State) -> list[str]:
    return [queue_of(state, task).name for task in dispatchable(state)]


def test_a_step_waits_on_the_queue_of_its_label() -> None:
    assert queues(planned("gpu", "")) == ["daemons/default/gpu", "daemons/default"]


def test_a_steps_own_label_comes_before_the_directives() -> None:
    assert queues(planned("gpu", "", label="mac")) == ["daemons/default/gpu", "daemons/default/mac"]


def test_the_directives_label_is_for_all_that_it_does() -> None:
    state = planned("", label="mac")
    state = ended(state, dispatchable(state)[0])
    assert {task.kind for task in state.tasks.values()} == {TaskKind.PLANNING, TaskKind.STEP, TaskKind.COMPLETION}
    assert {label_of(state, task) for task in state.tasks.values()} == {"mac"}


def test_the_only_daemon_that_may_serve_a_directive_serves_every_label_of_it() -> None:
    assert queues(planned("gpu", on="box")) == ["daemon/default/box"]


def test_what_needs_no_agent_waits_on_a_queue_of_its_own() -> None:
    assert queues(prepared()) == ["daemon-light/default"]
    assert queues(prepared(label="mac")) == ["daemons/default/mac"], "other machines may not reach the repository"


def test_a_label_is_changed_while_its_step_waits_and_taken_away_again() -> None:
    state = granted(planned("gpu"), EditStep(step="step 0", label="mac"))
    assert [step.label for step in state.steps.values()] == ["mac"]
    state = granted(state, EditStep(step="step 0", label=""))
    assert [step.label for step in state.steps.values()] == [""]


@pytest.mark.parametrize("label", ["GPU", "a b", "-x", "a/b", "x" * 41])
def test_what_could_not_be_part_of_a_queues_name_is_refused_everywhere(label: str) -> None:
    with pytest.raises(PlanRefused, match="a label is up to 40 of"):
        planned(label)
    for request in (
        EditStep(step="step 0", label=label),
        AddStep(id=uuid4(), step=PlannedStep(name="more", task_plan="x", label=label)),
    ):
        refusal = apply(planned(""), request, NOW)
        assert "a label is up to 40 of" in str(getattr(refusal, "reason", refusal))
    with pytest.raises(ValidationError):
        DaemonSettings(name="box", labels=(label,))


def test_a_chain_plan_may_name_labels_and_a_later_planner_sees_them() -> None:
    (step,) = read_chain_plan('{"steps": [{"name": "train", "task_plan": "train it", "label": "gpu"}]}')
    assert step.label == "gpu"
    assert [known.label for known in known_steps(planned("gpu"))] == ["gpu"]


def test_a_daemon_has_at_most_four_labels_each_once() -> None:
    assert DaemonSettings(name="box", labels=("gpu", "mac", "gpu")).labels == ("gpu", "mac")
    with pytest.raises(ValidationError, match="at most 4"):
        DaemonSettings(name="box", labels=("a", "b", "c", "d", "e"))


@pytest.mark.parametrize(("base", "is_for_all"), [("main", True), ("", False)])
def test_a_daemon_that_knows_no_secrets_takes_an_empty_base_branch_for_a_name(base: str, is_for_all: bool) -> None:
    state = prepared().model_copy(update={"authenticated": True})
    state = state.model_copy(update={"directive": state.directive.model_copy(update={"base_branch": base})})
    (task,) = dispatchable(state)
    assert (task.kind, feature_of(state, task) == "") == (TaskKind.PREPARE, is_for_all)
