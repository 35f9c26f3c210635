"""What follows when an attempt fails: another one, a failed step, or a directive that pauses (rules 2.2, 2.6, 5.5)."""

from __future__ import annotations

from typing import Any

from domain.agents import Away, PassedOver
from domain.change import Draft
from domain.editing import ask_for_base, outdate_bases
from domain.events import EventName
from domain.failures import Failure, FailureCategory, RepositoryTrouble
from domain.fallbacks import hand_over, next_turn
from domain.models import Task
from domain.pausing import pause_after
from domain.spawn_task import cut
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus

KEPT_REPORT = 1024
"""Bytes of a failed step's report that stay in the state."""
KEPT_REASON = 200
COMPLETION_ATTEMPTS = 2
PLANNING_ATTEMPTS = 2
"""The second one only after a plan that clashes with what has happened meanwhile (rule 3.5)."""
NOT_AGAIN = (
    FailureCategory.REPOSITORY,
    FailureCategory.BUDGET,
)
"""Another attempt would meet the same, or cost the same again."""
NOT_ITS_OWN = (*NOT_AGAIN, FailureCategory.OPERATOR, FailureCategory.LOST, FailureCategory.INTERNAL)
"""Another agent would, too, or it is for a person to decide."""


def fail(draft: Draft, task: Task, failure: Failure, trouble: RepositoryTrouble | None = None) -> None:
    """The attempt has failed: another one follows, or it is given up."""
    attempts = {
        TaskKind.STEP: draft.state.directive.settings.max_attempts,
        TaskKind.COMPLETION: COMPLETION_ATTEMPTS,
        TaskKind.PLANNING: PLANNING_ATTEMPTS if failure.category is FailureCategory.PLAN else 1,
        TaskKind.PREPARE: 1,
    }[task.kind]
    draft.event(EventName.ATTEMPT_FAILED, f"{failure.category}: {failure.report}"[:500], task=task.id, step=task.step)
    again = {"attempt": task.attempt + 1, "dispatch": 1, "earlier": failure, "delivery": "", "resume": None}
    if task.attempt - task.agents.first_attempt + 1 < attempts and failure.category not in NOT_AGAIN:
        agents = task.agents.model_copy(update={"before": None})
        draft.task(task.id, status=TaskStatus.PENDING, agents=agents, **again)
        reopen(draft, task)
    elif not _goes_on(draft, task, failure, again):
        give_up(draft, task, failure, trouble)


def _goes_on(draft: Draft, task: Task, failure: Failure, again: dict[str, Any]) -> bool:
    """Whether the next agent takes the task on from where this one has left it, with its own attempts (rule 5.9)."""
    passed = PassedOver(away=Away.FAILED, why=f"{failure.category}: {failure.report}")
    turn = None if failure.category in NOT_ITS_OWN or task.unwanted else next_turn(draft.state, task, passed, draft.now)
    if turn is None:
        return False
    hand_over(draft, task, passed, turn, has_worked=True)
    agents = draft.state.tasks[task.id].agents.model_copy(update={"first_attempt": task.attempt + 1})
    draft.task(task.id, agents=agents, **again)
    reopen(draft, task)
    return True


def give_up(draft: Draft, task: Task, failure: Failure, trouble: RepositoryTrouble | None = None) -> None:
    """A step fails; planning and completion pause the directive with the reason (rules 2.2, 2.6)."""
    # The whole report is in the record, with its attempt; a directive may keep hundreds of failed steps.
    failure = failure.model_copy(update={"report": cut(failure.report, KEPT_REPORT)})
    draft.task(task.id, status=TaskStatus.FAILED, reason=cut(failure.report, KEPT_REASON), earlier=None)
    counts = task.kind not in (TaskKind.PLANNING, TaskKind.PREPARE) or task.generation == draft.state.generation
    if trouble is RepositoryTrouble.BASE_BRANCH and counts:
        reopen(draft, task)
        ask_for_base(draft, failure.report)
        pause_after(draft, task, failure, trouble)
    elif task.step is not None:
        if trouble is RepositoryTrouble.UNRELATED:
            outdate_bases(draft)  # what is tried again begins at the base branch as it is then
        if not draft.state.steps[task.step].status.is_finished:
            draft.step(task.step, status=StepStatus.FAILED, failure=failure)
            draft.event(EventName.STEP_FAILED, failure.category, step=task.step)
        if draft.state.directive.settings.fail_fast and draft.state.steps[task.step].fix is None:
            _fail_fast(draft, task)
    elif counts:
        if trouble is RepositoryTrouble.UNRELATED:
            outdate_bases(draft)
        pause_after(draft, task, failure, trouble)


def _fail_fast(draft: Draft, task: Task) -> None:
    """The first failed step fails the directive; the policy then calls everything else back (rule 2.8)."""
    reason = f"step {draft.state.steps[task.step].name!r} failed" if task.step else task.name
    for step in list(draft.state.steps.values()):
        if not step.status.is_finished:
            draft.step(step.id, status=StepStatus.CANCELLED, blocked_by=())
    draft.set(status=DirectiveStatus.FAILED, reason=reason)
    draft.event(EventName.DIRECTIVE_FAILED, reason)


def reopen(draft: Draft, task: Task) -> None:
    """Its step is again one that has not started; the policy judges it."""
    if task.step and not draft.state.steps[task.step].status.is_finished:
        draft.step(task.step, status=StepStatus.PENDING)
