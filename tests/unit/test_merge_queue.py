"""Nothing is pushed to a pull request that waits in the forge's merge queue, until that has decided (rule 7.5)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from domain.models import State
from domain.plan import PlannedStep
from domain.policy import QUEUED, advance
from domain.pull_request import Finding, FindingKind, PullRequestState, Sighting
from domain.pull_requests import shepherd
from domain.requests import AddStep, EditDirective
from domain.statuses import DirectiveStatus, TaskKind
from tests.unit.directives import NOW, dispatchable, ended, granted, settled
from tests.unit.test_shepherd import TROUBLE, command_of, comment, fixes, opened, seen, shipped, task_of

pytestmark = pytest.mark.rule("7.5")
EJECTED = Finding(id="queue:first:a", kind=FindingKind.CHECK, title="merge queue: unit: failure", text="1 failed")


def looked_at(state: State, /, *, queued: bool, findings: tuple[Finding, ...] = (), **fields: object) -> State:
    assert state.pull_request
    seen_now = state.pull_request.model_copy(update=fields)
    told = Sighting(
        pull_request=seen_now, findings=findings, queued=queued, standing=tuple(each.id for each in findings)
    )  # fmt: skip
    return settled(shepherd.fold_sighting(state, told, NOW).state)


def finished_while_queued() -> State:
    state = granted(looked_at(opened(), queued=True), AddStep(id=uuid4(), step=PlannedStep(name="roof", task_plan="x")))
    return ended(state, task_of(state))


def completions(state: State) -> int:
    return sum(task.kind is TaskKind.COMPLETION for task in dispatchable(state))


def test_finished_work_waits_while_the_pull_request_is_in_the_queue_and_says_so() -> None:
    state = finished_while_queued()
    assert completions(state) == 0
    assert (state.status, state.reason) == (DirectiveStatus.IDLE, QUEUED)


def test_it_is_pushed_once_the_queue_has_put_it_out() -> None:
    state = looked_at(finished_while_queued(), queued=False)
    assert completions(state) == 1 and state.reason == ""
    assert not shipped(state).shepherding.queued


def test_it_goes_into_the_next_one_once_the_queue_has_merged_it() -> None:
    state = looked_at(finished_while_queued(), queued=False, state=PullRequestState.MERGED)
    assert completions(state) == 1
    assert command_of(state, TaskKind.COMPLETION).target_branch.endswith("-v2")


@pytest.mark.parametrize("how", ["not looked after", "refused", "before"])
def test_it_does_not_wait_for_what_nobody_looks_at(how: str) -> None:
    state = finished_while_queued()
    if how == "not looked after":
        state = granted(state, EditDirective(shepherd=False))
    elif how == "refused":
        state = looked_at(state, queued=False, findings=(TROUBLE,))
    else:
        state = advance(state, NOW, recorded=99, heeds_queue=False).state
    assert completions(state) == 1


def test_a_reviewer_is_answered_meanwhile_where_nothing_was_changed() -> None:
    state = looked_at(opened(fixer=None), queued=True, findings=(comment(),))
    state = ended(state, task_of(state), work=None)
    assert fixes(state)[0].status.is_finished and completions(state) == 1


def test_a_directive_that_ends_by_itself_does_not_end_before() -> None:
    state = finished_while_queued()
    once = state.directive.settings.model_copy(update={"once": True})
    state = settled(state.model_copy(update={"directive": state.directive.model_copy(update={"settings": once})}))
    assert state.status is DirectiveStatus.IDLE
    assert shipped(looked_at(state, queued=False)).status is DirectiveStatus.COMPLETED


def test_what_the_queue_has_put_out_makes_one_step() -> None:
    state = looked_at(opened(), queued=False, findings=(EJECTED,))
    (step,) = fixes(state)
    assert step.name == "Fix failed checks: merge queue: unit: failure"
    assert len(fixes(looked_at(state, queued=False, findings=(EJECTED,)))) == 1
    assert seen(state).shepherding.rounds == 1
