"""The base branch moves under a directive: its pull request's own base is the truth (rule 7.3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.change import Draft
from domain.dispatch import spawn_command
from domain.editing import answer_base, ask_for_base
from domain.events import EventName, pull_request_is
from domain.failures import Failure, FailureCategory, RepositoryTrouble
from domain.folding import fold_interrupted, fold_outcome
from domain.models import PlanChanges, State, Step, Work
from domain.names import directive_branch
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
from domain.pull_requests import shepherd, watching
from domain.requests import AddStep, AnswerQuestion, ChangeGoal, EditDirective, Resume, RetryStep
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskKind
from tests.unit.directives import BASE, NOW, begun, dispatchable, ended, granted, settled, started
from tests.unit.test_retraction import completion, do, named, planned, task_of, why_not

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
    watch = watching.wanted_watch(opened())
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
    watch = watching.wanted_watch(state)
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


# What must not follow


def events_of(state: State, /, **fields: Any) -> list[str]:
    assert state.pull_request
    now = Sighting(pull_request=state.pull_request.model_copy(update=fields))
    return [each.what for each in shepherd.fold_sighting(state, now, NOW).changed.facts.events]


def test_a_look_that_finds_the_same_base_or_none_changes_nothing() -> None:
    state = opened()
    assert EventName.BASE_CHANGED not in events_of(state, head="d" * 40)
    still = seen(state, head="d" * 40)
    assert still.merged == state.merged, "what was recorded of the base branch is a place to begin at"
    assert seen(state, base="").directive.base_branch == "main"


def conflicting(state: State) -> State:
    """With a fix for a conflict with the base branch that is done, and one of a check that waits."""
    conflict = Finding(id=FindingSource.CONFLICT.id_of("a", "b"), kind=FindingKind.CONFLICT, title="conflict")
    check = Finding(id=FindingSource.CHECK.id_of(1), kind=FindingKind.CHECK, title="tests: lint")
    state = seen(state, conflict, check)
    return do(state, next(step.name for step in state.steps.values() if step.fix and step.fix.merges))


def fixes(state: State) -> tuple[Step, Step]:
    """The one that merges the base branch, and the other one."""
    merging, other = sorted((step for step in state.steps.values() if step.fix), key=lambda step: step.position)
    return merging, other


def test_of_the_fixes_only_the_merge_of_the_old_base_is_dropped_once_and_with_its_work() -> None:
    state = conflicting(opened())
    followed = seen(state, base="next")
    merging, other = fixes(followed)
    assert (merging.removed, merging.status, merging.work) == (True, StepStatus.CANCELLED, None)
    assert (other.removed, other.status) == (False, fixes(state)[1].status)
    assert events_of(state, base="next").count(EventName.STEP_REMOVED) == 1
    assert events_of(followed, base="another").count(EventName.STEP_REMOVED) == 0, "it was dropped before"


def test_a_merge_of_the_old_base_that_is_pushed_already_stays_what_it_is() -> None:
    state = conflicting(opened())
    state = do(state, fixes(state)[1].name)
    state = ended(state, completion(state), shipped=Shipped(pull_request=MADE))
    assert fixes(state)[0].shipped
    merging, _ = fixes(seen(state, base="next"))
    assert (merging.removed, merging.status) == (False, StepStatus.COMPLETED)


def test_a_pushed_branch_without_a_pull_request_goes_with_the_directives_base() -> None:
    pushed = MADE.model_copy(update={"number": 0, "state": PullRequestState.PUSHED, "url": ""})
    state = do(planned(("floor", ())), "floor")
    state = granted(
        ended(state, completion(state), shipped=Shipped(pull_request=pushed)), EditDirective(base_branch="next")
    )
    assert state.pull_request and state.pull_request.base == "next"
    assert not state.shepherding.retarget, "nobody has to be told"
    state = granted(opened(), EditDirective(base_branch="next"))
    assert state.pull_request and state.pull_request.base == "main", "the forge says what the base of one is"


@pytest.mark.parametrize("over", [PullRequestState.CLOSED, PullRequestState.MERGED])
def test_one_that_is_over_is_not_brought_to_another_base(over: PullRequestState) -> None:
    state = granted(seen(opened(), state=over), EditDirective(base_branch="next"))
    assert (state.directive.base_branch, state.shepherding.retarget) == ("next", "")


@pytest.mark.parametrize("under_way", ["planning", "prepare", "proposal", "nothing", "failed"])
def test_what_is_planned_from_the_old_base_begins_at_the_new_one_as_it_is_then(under_way: str) -> None:
    """Also the plan that is being made of the old one at this moment, or waits for its approval."""
    state = do(planned(("floor", ())), "floor")
    outdated = 1
    if under_way != "nothing":
        state = granted(state, ChangeGoal(goal="another house"))
        outdated = 2
    if under_way == "failed":  # it plans anew, at the new one
        (planner,) = state.live(TaskKind.PLANNING)
        failure = Failure(category=FailureCategory.AGENT, report="no")
        state, outdated = ended(state, planner, status=OutcomeStatus.FAILED, failure=failure), 1
    if under_way == "proposal":
        settings = state.directive.settings.model_copy(update={"require_approval": True})
        state = state.model_copy(update={"directive": state.directive.model_copy(update={"settings": settings})})
        (planner,) = state.live(TaskKind.PLANNING)
        state = ended(state, planner, plan=PlanChanges(), base_commit=BASE)
        assert state.proposal
    if under_way == "prepare":
        tasks = {task.id: task.model_copy(update={"kind": TaskKind.PREPARE}) for task in state.live(TaskKind.PLANNING)}
        state = state.model_copy(update={"tasks": {**state.tasks, **tasks}})
    use = granted(state, EditDirective(base_branch="next"))
    assert use.merged.generation == outdated
    merged = state.merged.model_copy(update={"generation": 7})
    newest = granted(state.model_copy(update={"merged": merged}), EditDirective(base_branch="next"))
    assert newest.merged.generation == 7, "a merge of later is not forgotten"


def test_the_default_branch_is_taken_once_and_never_for_an_empty_name() -> None:
    state = begun(require_approval=False)
    (planner,) = dispatchable(state)
    step = [PlannedStep(name="a", task_plan="x")]
    plan = add_steps(PlanChanges(), step, generation=1, known=(), new_id=lambda: UUID(int=1))
    told = ended(state, planner, plan=plan, base_commit=BASE, base_branch="trunk")
    assert told.directive.base_branch == "main", "it was named"
    unnamed = state.model_copy(update={"directive": state.directive.model_copy(update={"base_branch": ""})})
    change = fold_outcome(
        unnamed, planner, Outcome(task=planner.id, attempt=1, status=OutcomeStatus.COMPLETED, plan=plan), NOW
    )
    assert EventName.BASE_CHANGED not in [each.what for each in change.changed.facts.events]


# Ways in which people move it


def test_it_is_retargeted_twice_and_the_last_one_counts() -> None:
    state = seen(seen(opened(), base="release"), base="next")
    assert (state.directive.base_branch, state.pull_request and state.pull_request.base) == ("next", "next")
    back = seen(state, base="main")
    assert back.directive.base_branch == "main"


def test_a_branch_of_the_directives_own_is_no_base_of_it() -> None:
    """A completion would push to what it merges, and nothing could ever be shipped again."""
    state = opened()
    assert state.pull_request
    shed = named(do(added(state, "shed"), "shed"), "shed")
    assert shed.work
    later = directive_branch(state.directive.text.title, state.directive.id, 2)
    for own in (state.pull_request.branch, later):
        assert seen(state, base=own).directive.base_branch == "main"
        assert f"{own!r} is a branch that the directive pushes to" in why_not(state, EditDirective(base_branch=own))
    asked = missing(do(added(state, "shed"), "shed"))
    (question,) = [each for each in asked.questions.values() if each.is_open]
    answer = AnswerQuestion(question=str(question.id), answer=state.pull_request.branch)
    assert "the directive pushes to" in why_not(asked, answer)


def missing(state: State) -> State:
    """The completion finds no base branch."""
    failure = Failure(category=FailureCategory.REPOSITORY, report="no branch 'main'; it has trunk")
    trouble = RepositoryTrouble.BASE_BRANCH
    return ended(state, completion(state), status=OutcomeStatus.FAILED, failure=failure, trouble=trouble)


def test_a_base_that_is_missing_is_asked_about_once_at_a_time_and_the_same_name_changes_nothing() -> None:
    state = do(planned(("floor", ()), ("wall", ())), "floor")
    state = granted(missing(do(state, "wall")), Resume())
    state = missing(state)
    (question,) = [each for each in state.questions.values() if each.is_open]
    draft = Draft(state, NOW)
    ask_for_base(draft, "still not there")
    assert draft.state.questions == state.questions, "it is asked already"
    answered = granted(state, AnswerQuestion(question=str(question.id), answer="main"))
    assert (answered.status, answered.merged) == (DirectiveStatus.COMPLETING, state.merged), "it was made meanwhile"


def test_an_answer_of_a_directive_that_goes_on_already_resumes_nothing() -> None:
    draft = Draft(opened(), NOW)
    answer_base(draft, "next")
    assert (draft.state.directive.base_branch, draft.state.status) == ("next", opened().status)
    assert EventName.DIRECTIVE_RESUMED not in [each.what for each in draft.change().changed.facts.events]


def test_what_waits_in_a_queue_is_told_of_another_base_alone() -> None:
    state = planned(("floor", ()))
    edited = granted(state, EditDirective(base_branch="next"))
    assert task_of(edited, "floor").unwanted


def test_a_step_that_can_not_begin_where_the_base_was_begins_where_it_is_once_it_is_tried_again() -> None:
    """People have put another history there."""
    state = planned(("floor", ()), ("wall", ()), max_attempts=1)
    failure = Failure(category=FailureCategory.REPOSITORY, report="the commit is gone from 'main'")
    trouble = RepositoryTrouble.UNRELATED
    state = ended(state, task_of(state, "floor"), status=OutcomeStatus.FAILED, failure=failure, trouble=trouble)
    assert named(state, "floor").status is StepStatus.FAILED
    state = granted(state, RetryStep(step="floor"))
    assert spawn_command(state, task_of(state, "floor")).base_commit == ""


def test_a_planner_of_an_older_goal_that_finds_no_base_asks_nothing() -> None:
    state = begun()
    (planner,) = dispatchable(state)
    newer = granted(started(state, planner), ChangeGoal(goal="another house"))
    failure = Failure(category=FailureCategory.REPOSITORY, report="no branch 'main'")
    outcome = Outcome(
        task=planner.id,
        attempt=1,
        status=OutcomeStatus.FAILED,
        failure=failure,
        trouble=RepositoryTrouble.BASE_BRANCH,
    )
    assert not fold_outcome(newer, newer.tasks[planner.id], outcome, NOW).state.questions


def test_a_step_that_finds_no_base_is_one_that_has_not_begun() -> None:
    state = granted(planned(("floor", ())), EditDirective(base_branch="gone"))
    state = settled(fold_interrupted(state, task_of(state, "floor"), NOW).state)
    task = task_of(state, "floor")
    failure = Failure(category=FailureCategory.REPOSITORY, report="no branch 'gone'")
    trouble = RepositoryTrouble.BASE_BRANCH
    state = ended(started(state, task), task, status=OutcomeStatus.FAILED, failure=failure, trouble=trouble)
    assert named(state, "floor").status.is_unstarted


@pytest.mark.parametrize(("version", "base"), [(1, "release"), (2, "main")])
def test_where_the_known_one_was_merged_is_followed_and_where_another_one_was_is_not(version: int, base: str) -> None:
    """As a completion has found them, with nobody looking after them."""
    state = do(added(opened(), "roof"), "roof")
    over = MADE.model_copy(
        update={"base": "release", "state": PullRequestState.MERGED, "version": version, "number": 8}
    )
    pushed = {"branch": "b-v3", "version": 3, "number": 0, "state": PullRequestState.PUSHED}
    next_one = MADE.model_copy(update=pushed)
    state = ended(state, completion(state), shipped=Shipped(pull_request=next_one, over=(over,)))
    assert state.directive.base_branch == base
    told = [state.steps[step].status for step in state.steps]
    assert (StepStatus.MERGED in told) is (version == 1)


def test_what_a_completion_left_out_after_an_operators_choice_is_dropped() -> None:
    """The directive was at the new base before: there is nothing to follow."""
    state = conflicting(opened())
    state = do(state, fixes(state)[1].name)
    state = granted(state, EditDirective(base_branch="next"))
    shipping = completion(state)
    (left_out,) = [one.task for one in spawn_command(state, shipping).merge if one.merges]
    retargeted = MADE.model_copy(update={"base": "next"})
    state = ended(state, shipping, shipped=Shipped(pull_request=retargeted), not_merged=(left_out,))
    assert (fixes(state)[0].removed, fixes(state)[1].shipped) == (True, True)


def test_an_end_that_is_known_is_told_no_second_time_where_the_next_completion_finds_it() -> None:
    over = MADE.model_copy(update={"state": PullRequestState.MERGED})
    state = do(added(seen(opened(), state=PullRequestState.MERGED), "roof"), "roof")
    shipping = completion(state)
    next_one = MADE.model_copy(update={"branch": "b-v2", "version": 2, "number": 8})
    work = Work(branch="b-v2", base=BASE, head="d" * 40, commits=1)
    shipped = Shipped(pull_request=next_one, over=(over,))
    outcome = Outcome(task=shipping.id, attempt=1, status=OutcomeStatus.COMPLETED, work=work, shipped=shipped)
    change = fold_outcome(state, shipping, outcome, NOW)
    assert pull_request_is(PullRequestState.MERGED) not in [each.what for each in change.changed.facts.events]
    assert change.changed.facts.pull_requests == (), "it is in the record"
    assert change.state.pull_request == next_one
