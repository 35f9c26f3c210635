"""What an operator does by hand with a step, a plan that waits, a goal and the directive itself (rule 8.2)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import requests
from domain.change import Change, Draft
from domain.events import EventName
from domain.failures import Failure, FailureCategory, RepositoryTrouble
from domain.folding import fold_interrupted
from domain.models import Answer, Proposal, State, Step, Work
from domain.nodes import Dependencies
from domain.operations import MAX_ANSWERED, Refusal, apply, with_answer
from domain.pausing import pause_after
from domain.policy import next_wake
from domain.record import Event
from domain.requests import CancelStep, CompleteStep, FailStep, Request, SetDependencies
from domain.spawn_task import OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from tests.unit.directives import BASE, NOW, begun, dispatchable, ended, granted, later, settled, started
from tests.unit.test_documented_commands import CLI
from tests.unit.test_retraction import do, house, named, planned, task_of, why_not

pytestmark = pytest.mark.rule("8.2")


def events(state: State, request: Request) -> list[Event]:
    change = apply(state, request, NOW)
    assert isinstance(change, Change), change
    return list(change.changed.facts.events)


def only(state: State, request: Request, what: EventName) -> Event:
    (event,) = [each for each in events(state, request) if each.what == what]
    return event


def test_a_step_that_is_completed_by_hand_holds_the_named_commit_and_lets_the_others_go_on() -> None:
    state = planned(("floor", ()), ("roof", ("floor",)))
    request = CompleteStep(step="floor", commit="c" * 40)
    after = granted(state, request)
    floor = named(after, "floor")
    assert (floor.status, floor.work) == (StepStatus.COMPLETED, Work(branch="", base=BASE, head="c" * 40, commits=1))
    assert task_of(after, "floor").unwanted
    assert named(after, "roof").status is StepStatus.READY
    event = only(state, request, EventName.STEP_COMPLETED_BY_HAND)
    assert (event.why, event.step) == ("c" * 40, floor.id)
    assert named(granted(state, CompleteStep(step="floor")), "floor").work is None


def test_a_step_that_is_failed_by_hand_says_so_and_blocks_what_depends_on_it() -> None:
    state = house()
    request = FailStep(step="roof", reason="It leaks")
    after = granted(state, request)
    roof = named(after, "roof")
    assert roof.failure == Failure(category=FailureCategory.OPERATOR, report="It leaks")
    assert (roof.status, task_of(after, "roof").unwanted) == (StepStatus.FAILED, True)
    event = only(state, request, EventName.STEP_FAILED_BY_HAND)
    assert (event.why, event.step) == ("It leaks", roof.id)
    blocked = granted(planned(("floor", ()), ("roof", ("floor",))), FailStep(step="floor", reason="no"))
    assert named(blocked, "roof").blocked_by == (named(blocked, "floor").id,)


def test_a_step_that_is_cancelled_stops_and_is_not_begun_again() -> None:
    state = house()
    after = granted(state, CancelStep(step="roof"))
    roof, task = named(after, "roof"), task_of(after, "roof")
    assert (roof.status, task.unwanted) == (StepStatus.CANCELLED, True)
    assert only(state, CancelStep(step="roof"), EventName.STEP_CANCELLED).step == roof.id
    stopped = settled(fold_interrupted(after, task, NOW).state)
    assert task_of(stopped, "roof").status is TaskStatus.INTERRUPTED
    assert [task.kind for task in dispatchable(stopped)] == [TaskKind.COMPLETION]


def test_a_step_that_waits_gives_up_its_place_at_once_when_it_is_cancelled() -> None:
    state = planned(("floor", ()))
    until = later(60)
    state = ended(state, task_of(state, "floor"), status=OutcomeStatus.WAITING, wait_until=until)
    task = task_of(granted(state, CancelStep(step="floor")), "floor")
    assert (task.status, task.wait_until, task.unwanted) == (TaskStatus.INTERRUPTED, None, False)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (CompleteStep(step="roof"), "step 'roof' is running and can't be completed by hand: cancel it first"),
        (CompleteStep(step="wall"), "step 'wall' is completed and can't be completed by hand"),
        (FailStep(step="wall", reason="no"), "step 'wall' is completed and can't be failed by hand"),
        (CancelStep(step="wall"), "step 'wall' is completed and can't be cancelled"),
        (SetDependencies(step="roof", depends_on=()), "step 'roof' is running and can't be given other dependencies"),
    ],
)
def test_what_a_step_is_past_is_refused(request_: Request, said: str) -> None:
    assert why_not(house(), request_).startswith(said)


OF_A_STEP = (
    CompleteStep(step="floor"),
    FailStep(step="floor", reason="no"),
    CancelStep(step="floor"),
    SetDependencies(step="floor", depends_on=()),
    requests.EditStep(step="floor", description="else"),
    requests.RetryStep(step="floor"),
    requests.SkipStep(step="floor"),
    requests.RemoveStep(step="floor"),
)


@pytest.mark.parametrize("status", StepStatus)
@pytest.mark.parametrize("removed", [False, True])
@pytest.mark.parametrize("request_", OF_A_STEP, ids=lambda each: type(each).__name__)
def test_what_is_refused_because_of_a_steps_status_names_the_command_that_helps(
    status: StepStatus, removed: bool, request_: Request
) -> None:
    state = planned(("floor", ()))
    floor = named(state, "floor").model_copy(update={"status": status, "removed": removed})
    answer = apply(state.model_copy(update={"steps": {floor.id: floor}}), request_, NOW)
    if isinstance(answer, Refusal):
        commands = re.findall(r"`([a-z-]+)[^`]*`", answer.reason)
        assert commands and set(commands) <= {*CLI.commands}, answer.reason


@pytest.mark.rule("4.5")
def test_other_dependencies_count_once_and_from_now_on() -> None:
    state = planned(("floor", ()), ("wall", ()), ("roof", ("floor",)))
    request = SetDependencies(step="roof", depends_on=("wall", "wall"))
    after = granted(state, request)
    assert named(after, "roof").depends_on == (named(after, "wall").id,)
    assert only(state, request, EventName.DEPENDENCIES_SET).why == "wall, wall"
    assert named(do(after, "wall"), "roof").status is StepStatus.READY
    free = granted(state, SetDependencies(step="roof", depends_on=()))
    assert named(free, "roof").status is StepStatus.READY
    assert "circle" in why_not(after, SetDependencies(step="wall", depends_on=("roof",)))
    removed = granted(state, requests.RemoveStep(step="wall"))
    assert "'wall' was removed" in why_not(removed, request)


def replanned(state: State, **changes: Any) -> State:
    """The second goal's plan waits for approval; `changes`: what it holds beyond a step `attic`."""
    attic = Step(id=UUID(int=99), generation=2, position=0, name="attic", task_plan="do attic")
    plan = Proposal(generation=2, base_commit="d" * 40, **{"add": (attic,), **changes})
    return state.model_copy(update={"generation": 2, "proposal": plan})


@pytest.mark.rule("2.4")
def test_an_approved_plan_is_carried_out() -> None:
    before = planned(("floor", ()), ("wall", ()), ("roof", ("floor",)))
    ids = {step.name: step.id for step in before.steps.values()}
    told = (Dependencies(step=ids["roof"], depends_on=(ids["floor"], UUID(int=99))),)
    state = replanned(before, remove=(ids["wall"],), set_deps=told)
    after = granted(state, requests.Approve())
    assert (after.proposal, after.planned, after.bases[2]) == (None, 2, "d" * 40)
    assert named(after, "attic").generation == 2
    assert (named(after, "wall").status, named(after, "wall").removed) == (StepStatus.CANCELLED, True)
    assert named(after, "roof").depends_on == told[0].depends_on
    found = {event.what: event for event in events(state, requests.Approve())}
    assert found[EventName.PLAN_APPROVED].why == "generation 2"
    assert found[EventName.PLANNED].why == "generation 2: 1 new steps"
    assert found[EventName.STEP_REMOVED].step == ids["wall"]
    assert found[EventName.DEPENDENCIES_SET].step == ids["roof"]


@pytest.mark.rule("3.5")
def test_what_a_plan_wanted_of_finished_steps_is_dropped_with_an_event_and_of_unknown_ones_too() -> None:
    before = do(planned(("floor", ()), ("wall", ())), "floor")
    state = replanned(before, remove=(named(before, "floor").id, UUID(int=55)))
    after = granted(state, requests.Approve())
    assert (named(after, "floor").status, named(after, "floor").removed) == (StepStatus.COMPLETED, False)
    dropped = [event for event in events(state, requests.Approve()) if event.what == EventName.REMOVAL_DROPPED]
    assert [event.why for event in dropped] == ["the step has finished", "no such step"]


@pytest.mark.rule("3.5")
def test_a_plan_that_clashes_with_what_happened_while_it_waited_is_not_carried_out() -> None:
    before = planned(("floor", ()), ("roof", ("floor",)))
    roof = named(before, "roof").id
    wall = Step(id=UUID(int=99), generation=2, position=0, name="wall", task_plan="x", depends_on=(roof,))
    assert "depends on 'roof'" in why_not(replanned(before, add=(wall,), remove=(roof,)), requests.Approve())
    begun_floor = started(before, task_of(before, "floor"))
    told = (Dependencies(step=named(before, "floor").id, depends_on=(roof,)),)
    assert "'floor' is running" in why_not(replanned(begun_floor, set_deps=told), requests.Approve())
    unknown = (Dependencies(step=UUID(int=55), depends_on=()),)
    assert "isn't there" in why_not(replanned(before, set_deps=unknown), requests.Approve())


@pytest.mark.rule("2.4")
def test_a_rejected_plan_goes_back_to_the_planner_with_what_was_said() -> None:
    state = replanned(planned(("floor", ())))
    after = granted(state, requests.Reject(comment="Too large"))
    assert (after.proposal, after.note) == (None, "The plan before was rejected: Too large")
    assert only(state, requests.Reject(comment="Too large"), EventName.PLAN_REJECTED).why == "Too large"
    assert any(task.generation == 2 for task in dispatchable(after))
    assert "no plan waits" in why_not(after, requests.Reject(comment="again"))
    assert "no plan waits" in why_not(after, requests.Approve())


@pytest.mark.rule("8.1")
def test_planning_again_is_another_generation_that_knows_the_comment() -> None:
    state = replanned(planned(("floor", ())))
    after = granted(state, requests.Replan(comment="Smaller steps"))
    assert (after.generation, after.note, after.proposal) == (3, "Smaller steps", None)
    assert after.directive.text == state.directive.text
    assert only(state, requests.Replan(comment="Smaller steps"), EventName.REPLAN_REQUESTED).why == "Smaller steps"
    assert "no planner" in why_not(planned_without_planner(), requests.Replan())


def planned_without_planner() -> State:
    state = planned(("floor", ()))
    settings = state.directive.settings.model_copy(update={"planner": None})
    return state.model_copy(update={"directive": state.directive.model_copy(update={"settings": settings})})


@pytest.mark.rule("2.9")
def test_an_archived_directive_asks_for_nothing_and_calls_its_work_back() -> None:
    state = replanned(house())
    after = granted(state, requests.Archive())
    assert (after.status, after.reason, after.proposal) == (DirectiveStatus.ARCHIVED, "", None)
    assert all(task.unwanted for task in after.live())
    assert [event.what for event in events(state, requests.Archive())][:1] == [EventName.DIRECTIVE_ARCHIVED]


@pytest.mark.rule("1")
def test_a_memory_that_an_operator_deletes_is_gone_and_one_that_is_not_there_is_refused() -> None:
    state = granted(begun(memory=True), requests.SetMemory(key="door", value="red"))
    after = granted(state, requests.DeleteMemory(key="door"))
    assert after.memories == {}
    assert only(state, requests.DeleteMemory(key="door"), EventName.MEMORY_DELETED).why == "door"
    assert "no memory 'door'" in why_not(after, requests.DeleteMemory(key="door"))


def test_the_newest_500_answers_are_remembered() -> None:
    state, answer = begun(), Answer(status=DirectiveStatus.ACTIVE, generation=1)
    for number in range(MAX_ANSWERED + 2):
        state = with_answer(state, str(number), answer)
    assert list(state.answered) == [str(number) for number in range(2, MAX_ANSWERED + 2)]


@pytest.mark.rule("4.4")
def test_the_workflow_wakes_for_the_first_task_that_is_due_and_for_none_while_it_is_paused() -> None:
    state = planned(("floor", ()), ("wall", ()))
    for name, seconds in (("floor", 60), ("wall", 30)):
        state = ended(state, task_of(state, name), status=OutcomeStatus.WAITING, wait_until=later(seconds))
    assert next_wake(state) == NOW + timedelta(seconds=30)
    assert next_wake(state.model_copy(update={"status": DirectiveStatus.PAUSED})) is None
    assert next_wake(planned(("floor", ()))) is None


@pytest.mark.rule("2.6")
@pytest.mark.parametrize(
    ("failed", "category", "trouble", "advice"),
    [
        ("planning", FailureCategory.CONFLICT, None, "takes another agent where that would help"),
        ("planning", FailureCategory.AUTH, None, "log the agent in"),
        ("planning", FailureCategory.REPOSITORY, None, "put right what it says"),
        ("planning", FailureCategory.REPOSITORY, RepositoryTrouble.BASE_BRANCH, "answer the question"),
        ("completion", FailureCategory.CONFLICT, None, "lets another agent resolve it"),
    ],
)
def test_a_pause_says_what_failed_and_what_helps(
    failed: str, category: FailureCategory, trouble: RepositoryTrouble | None, advice: str
) -> None:
    state = begun() if failed == "planning" else do(planned(("floor", ())), "floor")
    (task,) = dispatchable(state)
    draft = Draft(state, NOW)
    pause_after(draft, task, Failure(category=category, report="It gave up"), trouble)
    (event,) = draft.change().changed.facts.events
    assert (event.what, event.why) == (EventName.DIRECTIVE_PAUSED, draft.state.reason)
    assert draft.state.reason.startswith(f"{task.name}: It gave up — ")
    assert advice in draft.state.reason
