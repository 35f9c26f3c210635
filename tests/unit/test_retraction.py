"""Finished work that nothing has shipped yet can be taken back, with all that was built on it (rule 4.5)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain import names
from domain.dispatch import spawn_command
from domain.failures import Failure, FailureCategory
from domain.folding import fold_interrupted, fold_outcome
from domain.models import PlanChanges, Question, State, Step, Task
from domain.operations import Refusal, apply
from domain.plan import PlannedStep, add_steps
from domain.pull_request import PullRequest, PullRequestState, Shipped
from domain.questions import question_id
from domain.requests import AddStep, Pause, RemoveStep, Request, Resume, RetryStep, SkipStep, StepTexts
from domain.size import without_finished_texts
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import StepStatus, TaskKind, TaskStatus
from tests.unit.directives import NOW, dispatchable, ended, granted, planned_state, settled, started

pytestmark = pytest.mark.rule("4.5")


def planned(*steps: tuple[str, tuple[str, ...]], **settings: Any) -> State:
    ids = iter(range(1, 100))
    listed = [PlannedStep(name=name, task_plan=f"do {name}", depends_on=on) for name, on in steps]
    changes = add_steps(PlanChanges(), listed, generation=1, known=(), new_id=lambda: UUID(int=next(ids)))
    return planned_state(changes, **settings)


def named(state: State, name: str) -> Step:
    return next(step for step in state.steps.values() if step.name == name)


def task_of(state: State, name: str) -> Task:
    return state.tasks[names.step_task(named(state, name).id)]


def do(state: State, *wanted: str) -> State:
    for name in wanted:
        state = ended(state, task_of(state, name))
    return state


def completion(state: State) -> Task:
    (task,) = state.live(TaskKind.COMPLETION)
    return task


def why_not(state: State, request: Request) -> str:
    refusal = apply(state, request, NOW)
    assert isinstance(refusal, Refusal)
    return refusal.reason


def house() -> State:
    """Floor and wall are done, the roof on the wall runs, the garden is by itself."""
    plan = planned(("floor", ()), ("wall", ("floor",)), ("roof", ("wall",)), ("garden", ()))
    state = do(plan, "floor", "wall", "garden")
    return started(state, task_of(state, "roof"))


def test_a_finished_step_is_done_again_by_another_attempt_that_knows_why() -> None:
    state = do(planned(("floor", ()), ("garden", ())), "floor")
    before = named(state, "floor").work
    again = granted(state, RetryStep(step="floor", reason="It is crooked"))
    task = task_of(again, "floor")
    assert (named(again, "floor").status, task.attempt, task.status) == (StepStatus.READY, 2, TaskStatus.PENDING)
    assert "It is crooked" in spawn_command(again, task).prompt
    assert before
    assert again.shepherding.taken_back == (before.head,)


def test_what_was_built_on_it_follows_with_the_operators_yes_alone() -> None:
    state = house()
    said = why_not(state, RetryStep(step="floor"))
    assert said == "what was built on step 'floor' would be done again, too: 'wall', 'roof'; agree to it with --yes"
    only_the_wall = RetryStep(step="floor", follow=(named(state, "wall").id,))
    assert "done again, too: 'roof'" in why_not(state, only_the_wall), "it was begun since the operator looked"
    again = granted(state, RetryStep(step="floor", agreed=True))
    statuses = {step.name: step.status for step in again.steps.values()}
    assert statuses == {
        "floor": StepStatus.READY,
        "wall": StepStatus.PENDING,
        "roof": StepStatus.PENDING,
        "garden": StepStatus.COMPLETED,
    }
    assert not task_of(again, "roof").status.is_live, "the workflow cancels what runs of it"
    done = do(again, "floor", "wall")
    command = spawn_command(done, task_of(done, "roof"))
    assert command.attempt == 2
    assert "was taken back" in command.prompt
    assert command.continue_from
    assert command.continue_from.commit.endswith("2"), "the wall's new work"


def test_what_an_attempt_reports_that_was_given_up_changes_nothing() -> None:
    state = house()
    roof = task_of(state, "roof")
    again = granted(state, RetryStep(step="floor", agreed=True))
    late = Outcome(task=roof.id, attempt=roof.attempt, status=OutcomeStatus.COMPLETED)
    assert fold_outcome(again, roof, late, NOW).state == again


def test_a_step_that_waits_for_an_answer_asks_no_more_once_it_begins_again() -> None:
    state = do(planned(("floor", ()), ("wall", ("floor",))), "floor")
    wall = task_of(state, "wall")
    question = Question(id=question_id(wall.id, "which?"), task=wall.id, text="which?")
    state = ended(state, wall, status=OutcomeStatus.WAITING, questions=(question,))
    again = granted(state, RetryStep(step="floor", agreed=True))
    assert not any(each.is_open for each in again.questions.values())
    assert task_of(do(again, "floor"), "wall").attempt == 2


def test_skipping_leaves_the_work_behind_and_what_was_built_on_it_is_done_without() -> None:
    state = do(planned(("floor", ()), ("wall", ("floor",)), ("shed", ())), "floor", "wall")
    skipped = granted(state, SkipStep(step="floor", agreed=True))
    assert (named(skipped, "floor").status, named(skipped, "floor").work) == (StepStatus.SKIPPED, None)
    command = spawn_command(skipped, task_of(skipped, "wall"))
    assert command.continue_from is None
    assert not command.merge
    shipping = do(skipped, "wall", "shed")
    assert {one.name for one in spawn_command(shipping, completion(shipping)).merge} == {"wall", "shed"}


def test_removing_takes_what_needs_the_step_with_it() -> None:
    state = do(planned(("floor", ()), ("wall", ("floor",)), ("roof", ("wall",)), ("shed", ())), "floor", "wall")
    assert "would be removed, too: 'wall', 'roof'" in why_not(state, RemoveStep(step="floor"))
    assert why_not(state, RemoveStep(step="wall")) == "step 'roof' depends on 'wall': remove that one first"
    removed = granted(state, RemoveStep(step="floor", agreed=True))
    assert {step.name for step in removed.steps.values() if step.removed} == {"floor", "wall", "roof"}
    roof = task_of(removed, "roof")
    shipping = do(settled(fold_interrupted(removed, roof, NOW).state), "shed")
    command = spawn_command(shipping, completion(shipping))
    assert {one.name for one in command.merge} == {"shed"}
    assert len(command.taken_back) == 2, "a branch that was pushed already with one of them is made anew"


def shipped(number: int = 7, state: PullRequestState = PullRequestState.OPEN) -> State:
    done = do(planned(("floor", ())), "floor")
    made = PullRequest(branch="b", head="c" * 40, base="main", url="https://f/p/7", number=number, state=state)
    return ended(done, completion(done), shipped=Shipped(pull_request=made))


@pytest.mark.parametrize("request_", [RetryStep(step="floor"), SkipStep(step="floor"), RemoveStep(step="floor")])
def test_what_a_pull_request_holds_is_refused_with_what_to_do_instead(request_: Request) -> None:
    said = why_not(shipped(), request_)
    assert said.startswith("the pull request https://f/p/7 holds step 'floor' already: add a step")
    assert "or close the pull request" in said
    merged = shipped(state=PullRequestState.MERGED)
    assert named(merged, "floor").status is StepStatus.MERGED
    assert "is merged: add a step that changes what it did" in why_not(merged, request_)


def test_what_a_closed_pull_request_held_can_be_done_again() -> None:
    again = granted(shipped(state=PullRequestState.CLOSED), RetryStep(step="floor"))
    assert named(again, "floor").status is StepStatus.READY
    assert not named(again, "floor").shipped


def test_while_a_completion_runs_it_is_stopped_first_and_one_that_waits_is_given_up() -> None:
    state = do(planned(("floor", ()), ("wall", ())), "floor", "wall")
    shipping = completion(state)
    assert "stop it with `pause --now`" in why_not(started(state, shipping), RetryStep(step="floor"))
    question = Question(id=question_id(shipping.id, "why?"), task=shipping.id, text="why?")
    waiting = ended(state, shipping, status=OutcomeStatus.WAITING, questions=(question,))
    again = do(granted(waiting, RetryStep(step="floor")), "floor")
    assert not any(each.is_open for each in again.questions.values())
    assert completion(again).id != shipping.id


def test_texts_that_a_long_run_has_dropped_are_handed_in_with_the_request() -> None:
    state = without_finished_texts(do(planned(("floor", ()), ("wall", ())), "floor"))
    assert "ask with starter.py" in why_not(state, RetryStep(step="floor"))
    texts = {named(state, "floor").id: StepTexts(description="d", task_plan="do floor")}
    again = granted(state, RetryStep(step="floor", texts=texts))
    assert spawn_command(again, task_of(again, "floor")).script == "do floor"


def test_a_step_that_is_added_after_a_removal_builds_on_nothing_of_it() -> None:
    state = do(planned(("floor", ()), ("wall", ("floor",)), ("shed", ())), "floor")
    state = granted(granted(state, Pause()), SkipStep(step="wall"))
    removed = granted(state, RemoveStep(step="floor", agreed=True))
    added = AddStep(id=UUID(int=99), step=PlannedStep(name="roof", task_plan="x", depends_on=("wall",)))
    resumed = granted(granted(removed, added), Resume())
    assert spawn_command(resumed, task_of(resumed, "roof")).continue_from is None


def test_a_failed_step_is_told_why_it_is_tried_again() -> None:
    state = planned(("floor", ()), max_attempts=1)
    failure = Failure(category=FailureCategory.AGENT, report="no")
    failed = ended(state, dispatchable(state)[0], status=OutcomeStatus.FAILED, failure=failure)
    again = granted(failed, RetryStep(step="floor", reason="Use the other tool"))
    assert "Use the other tool" in spawn_command(again, task_of(again, "floor")).prompt


def test_a_step_below_the_phase_of_what_it_depends_on_waits_for_no_circle() -> None:
    """Phases order what has not begun; a step may be added to a lower one than that of the finished step it needs."""
    ids = iter(range(1, 100))
    listed = [
        PlannedStep(name="floor", task_plan="do floor"),
        PlannedStep(name="wall", task_plan="do wall", order_index=1, depends_on=("floor",)),
        PlannedStep(name="garden", task_plan="do garden", order_index=1),
    ]
    changes = add_steps(PlanChanges(), listed, generation=1, known=(), new_id=lambda: UUID(int=next(ids)))
    state = do(planned_state(changes), "floor", "wall")
    ivy = PlannedStep(name="ivy", task_plan="do ivy", depends_on=("wall",))
    state = granted(state, AddStep(id=UUID(int=99), step=ivy))
    again = granted(state, SkipStep(step="floor", agreed=True))
    assert named(again, "wall").status is StepStatus.READY
    assert named(again, "ivy").status is StepStatus.PENDING
    assert named(do(again, "wall"), "ivy").status is StepStatus.READY
