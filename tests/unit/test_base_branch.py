"""The base branch moves under a directive: its pull request's own base is the truth (rule 7.3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.dispatch import spawn_command
from domain.models import PlanChanges, State
from domain.plan import PlannedStep, add_steps
from domain.pull_request import (
    Finding,
    FindingKind,
    FindingSource,
    PullRequest,
    PullRequestState,
    Shipped,
    Sighting,
    news_of,
)
from domain.pull_requests import shepherd
from domain.requests import AddStep, EditDirective
from tests.unit.directives import BASE, NOW, begun, dispatchable, ended, granted, settled, started
from tests.unit.test_retraction import completion, do, planned, task_of

pytestmark = pytest.mark.rule("7.3")
MADE = PullRequest(branch="b", head="c" * 40, base="main", url="https://f/p/7", number=7, state=PullRequestState.OPEN)


def opened(**settings: Any) -> State:
    done = do(planned(("floor", ()), **settings), "floor")
    return ended(done, completion(done), shipped=Shipped(pull_request=MADE))


def seen(state: State, /, *findings: Finding, **fields: Any) -> State:
    assert state.pull_request
    now = state.pull_request.model_copy(update=fields)
    return settled(
        shepherd.fold_sighting(state, Sighting(pull_request=now, findings=findings, base_head="e" * 40), NOW).state
    )


def added(state: State, name: str) -> State:
    step = PlannedStep(name=name, task_plan="x")
    return granted(state, AddStep(id=UUID(int=len(state.steps) + 50), step=step))


def test_that_a_person_has_retargeted_it_is_news() -> None:
    watch = shepherd.wanted_watch(opened())
    assert watch
    news = news_of(watch, Sighting(pull_request=MADE.model_copy(update={"base": "next"})))
    assert news
    assert news.pull_request.base == "next"


def test_the_directive_follows_a_pull_request_that_was_retargeted() -> None:
    change = shepherd.fold_sighting(opened(), Sighting(pull_request=MADE.model_copy(update={"base": "next"})), NOW)
    (told,) = [each.why for each in change.changed.facts.events if each.what == "base branch changed"]
    assert told == "main → next: https://f/p/7 is merged into that now"
    state = added(settled(change.state), "roof")
    command = spawn_command(state, task_of(state, "roof"))
    assert (command.base_branch, command.base_commit) == ("next", ""), "what begins now begins there"
    state = do(state, "roof")
    assert spawn_command(state, completion(state)).base_branch == "next"


def test_what_was_to_merge_the_old_base_into_it_is_dropped() -> None:
    conflict = Finding(id=FindingSource.CONFLICT.id_of("a", "b"), kind=FindingKind.CONFLICT, title="conflict")
    state = seen(opened(), conflict)
    (fix,) = [step for step in state.steps.values() if step.fix]
    (task,) = dispatchable(state)
    state = started(state, task)
    followed = seen(state, base="next")
    assert followed.steps[fix.id].removed
    assert followed.tasks[task.id].unwanted, "its agent is stopped"


def test_a_finished_one_that_a_completion_left_out_is_no_part_of_the_pull_request() -> None:
    conflict = Finding(id=FindingSource.CONFLICT.id_of("a", "b"), kind=FindingKind.CONFLICT, title="conflict")
    state = seen(opened(), conflict)
    (fix,) = [step for step in state.steps.values() if step.fix]
    state = do(state, fix.name)
    shipping = completion(state)
    (head,) = spawn_command(state, shipping).merge
    assert head.merges == ("e" * 40,)
    retargeted = MADE.model_copy(update={"base": "next"})
    state = ended(state, shipping, shipped=Shipped(pull_request=retargeted), not_merged=(head.task,))
    assert (state.directive.base_branch, state.steps[fix.id].removed, state.steps[fix.id].shipped) == (
        "next",
        True,
        False,
    )
    assert fix.id not in state.shepherding.pushed[-1].steps


def test_after_a_merge_into_another_base_the_work_goes_on_there() -> None:
    state = seen(opened(), base="release", state=PullRequestState.MERGED)
    assert state.directive.base_branch == "release"
    closed = seen(opened(), base="release", state=PullRequestState.CLOSED)
    assert closed.directive.base_branch == "main", "a closed one says nothing"


def test_a_completion_that_found_it_retargeted_tells_the_directive() -> None:
    state = do(added(opened(), "roof"), "roof")
    retargeted = MADE.model_copy(update={"base": "next"})
    state = ended(state, completion(state), shipped=Shipped(pull_request=retargeted))
    assert state.directive.base_branch == "next"


def test_an_operators_choice_brings_the_open_pull_request_to_it() -> None:
    state = granted(opened(), EditDirective(base_branch="next"))
    watch = shepherd.wanted_watch(state)
    assert watch
    assert watch.retarget == "next"
    still = seen(state, head="d" * 40)
    assert still.directive.base_branch == "next", "it is not there yet"
    state = do(added(still, "roof"), "roof")
    wanted = spawn_command(state, completion(state)).pull_request
    assert wanted
    assert wanted.retarget == "next"
    state = ended(state, completion(state), shipped=Shipped(pull_request=MADE.model_copy(update={"base": "next"})))
    assert (state.directive.base_branch, state.shepherding.retarget) == ("next", "")
    back = seen(state, base="main")
    assert back.directive.base_branch == "main", "from then on people's word counts again"


def test_an_edit_while_a_completion_runs_is_not_undone_by_it() -> None:
    state = do(planned(("floor", ())), "floor")
    shipping = completion(state)
    state = granted(started(state, shipping), EditDirective(base_branch="next"))
    pushed = PullRequest(branch="b", head="c" * 40, base="main")
    state = ended(state, shipping, shipped=Shipped(pull_request=pushed))
    assert state.directive.base_branch == "next"


def test_the_default_branch_is_what_the_first_task_found() -> None:
    state = begun()
    unnamed = state.directive.model_copy(update={"base_branch": ""})
    state = state.model_copy(update={"directive": unnamed})
    (planner,) = dispatchable(state)
    assert spawn_command(state, planner).base_branch == ""
    plan = add_steps(
        PlanChanges(), [PlannedStep(name="a", task_plan="x")], generation=1, known=(), new_id=lambda: UUID(int=1)
    )
    state = ended(state, planner, plan=plan, base_commit=BASE, base_branch="trunk")
    assert state.directive.base_branch == "trunk"
    assert spawn_command(state, dispatchable(state)[0]).base_branch == "trunk"
