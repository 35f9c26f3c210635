"""Whatever a task that plans or ships fails of: the pause names commands, each is granted, and work goes on (8.2)."""

from __future__ import annotations

import re
import shlex
from itertools import product

import pytest

from domain import requests
from domain.failures import Failure, FailureCategory, RepositoryTrouble
from domain.models import State
from domain.pausing import PauseReason
from domain.spawn_task import OutcomeStatus
from domain.statuses import DirectiveStatus, TaskKind
from tests.unit.directives import begun, dispatchable, ended, granted
from tests.unit.test_retraction import do, planned

pytestmark = pytest.mark.rule("8.2")
KINDS = (TaskKind.PREPARE, TaskKind.PLANNING, TaskKind.COMPLETION)
OF_PREPARE = {FailureCategory.REPOSITORY, FailureCategory.LOST, FailureCategory.INTERNAL, FailureCategory.OPERATOR}
"""It runs no agent, and judges nothing."""
WAYS = [
    (kind, category, trouble)
    for kind, category, trouble in product(KINDS, FailureCategory, (None, *RepositoryTrouble))
    if (trouble is None or category is FailureCategory.REPOSITORY)
    and (kind is not TaskKind.PREPARE or category in OF_PREPARE)
]


def before(kind: TaskKind) -> State:
    """A directive whose next task is of this kind."""
    state = do(planned(("floor", ())), "floor") if kind is TaskKind.COMPLETION else begun()
    if kind is TaskKind.PREPARE:
        tasks = {task.id: task.model_copy(update={"kind": kind}) for task in state.live(TaskKind.PLANNING)}
        state = state.model_copy(update={"tasks": {**state.tasks, **tasks}})
    return state


def typed(line: str) -> requests.Request | None:
    """What a person types who follows this advice; None: it only looks."""
    match shlex.split(line):
        case ["resume", _]:
            return requests.Resume()
        case ["replan", _, "--comment", _]:
            return requests.Replan(comment="smaller steps")
        case ["retry-step", _, "STEP", "--yes"]:
            return requests.RetryStep(step="floor", agreed=True)
        case ["questions", _]:
            return None
        case ["edit", _, *options]:
            values = {"--max-cost": 5, "--max-turns": 50, "--verify": ("true",)}
            fields = {"--max-cost": "max_cost_usd"}
            given = {fields.get(each, each[2:].replace("-", "_")): values.get(each, "other") for each in options[::2]}
            return requests.EditDirective.model_validate(given)
    raise AssertionError(f"nobody can type {line!r}")


def fails(state: State, kind: TaskKind, category: FailureCategory, trouble: RepositoryTrouble | None) -> State:
    """As often as it is tried."""
    failure = Failure(category=category, report="it is not as it should be")
    while state.status is not DirectiveStatus.PAUSED:
        (task,) = (each for each in dispatchable(state) if each.kind is kind)
        state = ended(state, task, status=OutcomeStatus.FAILED, failure=failure, trouble=trouble)
    return state


@pytest.mark.parametrize(("kind", "category", "trouble"), WAYS, ids=str)
def test_the_advice_is_granted_and_work_goes_on(
    kind: TaskKind, category: FailureCategory, trouble: RepositoryTrouble | None
) -> None:
    state = fails(before(kind), kind, category, trouble)
    lines = re.findall(r"`starter\.py ([^`]+)`", state.reason)
    assert lines[-1].startswith("resume "), state.reason
    for request in filter(None, map(typed, lines)):
        state = granted(state, request)
    assert state.status is not DirectiveStatus.PAUSED
    assert not any(question.is_open for question in state.questions.values())
    assert dispatchable(state)


def test_every_reason_is_among_these_but_those_of_people_of_a_plan_without_steps_and_of_budgets() -> None:
    told = {fails(before(kind), kind, category, trouble).reason.partition(" — ")[2] for kind, category, trouble in WAYS}
    assert len(told) == len({*PauseReason} - {PauseReason.OPERATOR, PauseReason.NO_STEPS, PauseReason.SPENT})
