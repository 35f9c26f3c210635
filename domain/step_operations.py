"""What an operator may do with one step (rules 4.5, 8.2); each rule changes the draft or raises Refused."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain import names, retraction
from domain.change import Draft
from domain.errors import Refused
from domain.events import EventName
from domain.failures import Failure, FailureCategory
from domain.lookup import find_step
from domain.models import PlanChanges, Step, Work
from domain.plan import add_steps, check_order, check_texts, check_unfinished_texts, known_steps
from domain.requests import (
    AddStep,
    CancelStep,
    CompleteStep,
    EditStep,
    FailStep,
    RemoveStep,
    RetryStep,
    SetDependencies,
    SkipStep,
    StepRequest,
)
from domain.statuses import StepStatus, TaskStatus

DONE = (StepStatus.COMPLETED, StepStatus.MERGED)
"""As far as nothing holds them yet; what is beyond taking back is refused with what to do instead."""
NOT_STARTED = (StepStatus.PENDING, StepStatus.READY, StepStatus.BLOCKED)
REMOVABLE = tuple(status for status in StepStatus if status is not StepStatus.SKIPPED)
ADDED_ANEW = "`add-step` adds another one"
_WAITS = "it has not begun; `edit-step` changes it, `skip-step` leaves it out"
_AGAIN = "`retry-step` lets it be done again, `skip-step` leaves it out"
INSTEAD = {
    StepStatus.PENDING: _WAITS,
    StepStatus.READY: _WAITS,
    StepStatus.BLOCKED: "it waits for one that was not done: `why` names it, `retry-step` helps there",
    StepStatus.RUNNING: "cancel it first (`cancel-step`)",
    StepStatus.COMPLETED: _AGAIN,
    StepStatus.FAILED: _AGAIN,
    StepStatus.CANCELLED: _AGAIN,
    StepStatus.MERGED: "`add-step` adds one that changes what it did",
    StepStatus.SKIPPED: ADDED_ANEW,
}
"""What an operator does in place of what a step's status doesn't allow."""


def apply(draft: Draft, request: StepRequest | AddStep) -> None:
    """Carry out `request`, or raise Refused."""
    if isinstance(request, AddStep):
        _add(draft, request)
        return
    rules: dict[type[StepRequest], Any] = {
        EditStep: _edit,
        RemoveStep: _remove,
        SetDependencies: _set_dependencies,
        RetryStep: _retry,
        SkipStep: _skip,
        CompleteStep: _complete,
        FailStep: _fail,
        CancelStep: _cancel,
    }
    rules[type(request)](draft, find_step(draft.state, request.step), request)


def _add(draft: Draft, request: AddStep) -> None:
    state = draft.state
    if request.id in state.steps:
        return  # the same call again
    generation = max(state.planned, 1)
    if generation not in state.bases:
        raise Refused("the first plan is not there yet: wait for it, then add steps")
    known = known_steps(state)
    others = tuple(str(find_step(state, reference).id) for reference in request.step.depends_on)
    planned = request.step.model_copy(update={"depends_on": others})
    may = state.directive.settings.for_steps
    changes = add_steps(
        PlanChanges(), [planned], generation=generation, known=known, new_id=lambda: request.id, agents=may
    )
    siblings = [step for step in state.steps.values() if step.generation == generation]
    if any(step.name == changes.add[0].name and not step.removed for step in siblings):
        raise Refused(f"generation {generation} has a step named {changes.add[0].name!r} already")
    step = changes.add[0].model_copy(update={"position": len(siblings)})
    draft.put_step(step)
    check_order(draft.state.steps.values())
    check_unfinished_texts(draft.state)
    draft.event(EventName.STEP_ADDED, step.name, step=step.id)


def _edit(draft: Draft, step: Step, request: EditStep) -> None:
    _require(step, NOT_STARTED, "edited")
    changed = request.model_dump(include={"description", "task_plan", "order_index", "label"}, exclude_none=True)
    check_texts(draft.step(step.id, **changed))
    check_order(draft.state.steps.values())
    check_unfinished_texts(draft.state)
    _call_back(draft, step)  # a task that waits in the queue carries the old texts
    draft.event(EventName.STEP_EDITED, ", ".join(changed), step=step.id)


def _remove(draft: Draft, step: Step, request: RemoveStep) -> None:
    _require(step, () if step.removed else REMOVABLE, "removed")
    retraction.take_back(draft, step, request)
    retraction.remove(draft, step)


def _set_dependencies(draft: Draft, step: Step, request: SetDependencies) -> None:
    _require(step, NOT_STARTED, "given other dependencies")
    others: tuple[UUID, ...] = tuple(
        dict.fromkeys(find_step(draft.state, reference).id for reference in request.depends_on)
    )
    removed = [draft.state.steps[other].name for other in others if draft.state.steps[other].removed]
    if removed:
        raise Refused(f"step {removed[0]!r} was removed: nothing can depend on it")
    draft.step(step.id, depends_on=others)
    check_order(draft.state.steps.values())
    _call_back(draft, step)
    draft.event(EventName.DEPENDENCIES_SET, ", ".join(request.depends_on), step=step.id)


def _retry(draft: Draft, step: Step, request: RetryStep) -> None:
    _require(step, () if step.removed else (*DONE, StepStatus.FAILED, StepStatus.CANCELLED), "retried")
    retraction.take_back(draft, step, request)
    if step.status is StepStatus.COMPLETED:
        retraction.begin_again(draft, step, f"The operator wants it done again. {request.reason}".strip(), request)
    else:
        draft.step(step.id, status=StepStatus.PENDING, failure=None)
        _pass_on(draft, step, request.reason)
    check_order(draft.state.steps.values())  # what was added meanwhile may depend on it from an earlier phase
    draft.event(EventName.STEP_RETRIED, request.reason[:500], step=step.id)


def _skip(draft: Draft, step: Step, request: SkipStep) -> None:
    _require(step, (*DONE, *NOT_STARTED, StepStatus.FAILED, StepStatus.CANCELLED), "skipped")
    retraction.take_back(draft, step, request)
    _call_back(draft, step)
    draft.step(step.id, status=StepStatus.SKIPPED, blocked_by=(), removed=False)
    draft.event(EventName.STEP_SKIPPED, step=step.id)


def _complete(draft: Draft, step: Step, request: CompleteStep) -> None:
    _require(step, (*NOT_STARTED, StepStatus.FAILED, StepStatus.CANCELLED), "completed by hand")
    _call_back(draft, step)
    base = draft.state.bases.get(step.generation, "")
    work = Work(branch="", base=base, head=request.commit, commits=1) if request.commit else None
    draft.step(step.id, status=StepStatus.COMPLETED, work=work, failure=None, blocked_by=(), removed=False)
    draft.event(EventName.STEP_COMPLETED_BY_HAND, request.commit, step=step.id)


def _fail(draft: Draft, step: Step, request: FailStep) -> None:
    _require(step, (*NOT_STARTED, StepStatus.RUNNING), "failed by hand")
    _call_back(draft, step)
    failure = Failure(category=FailureCategory.OPERATOR, report=request.reason)
    draft.step(step.id, status=StepStatus.FAILED, failure=failure, blocked_by=())
    draft.event(EventName.STEP_FAILED_BY_HAND, request.reason[:500], step=step.id)


def _cancel(draft: Draft, step: Step, _: CancelStep) -> None:
    _require(step, (*NOT_STARTED, StepStatus.RUNNING), "cancelled")
    _call_back(draft, step)
    draft.step(step.id, status=StepStatus.CANCELLED, blocked_by=())
    draft.event(EventName.STEP_CANCELLED, step=step.id)


def _pass_on(draft: Draft, step: Step, reason: str) -> None:
    """What the operator says of the earlier attempt, for the next one's prompt."""
    task = draft.state.tasks.get(names.step_task(step.id))
    if task and reason:
        draft.task(task.id, earlier=Failure(category=FailureCategory.OPERATOR, report=reason))


def _require(step: Step, allowed: tuple[StepStatus, ...], what: str) -> None:
    if step.status not in allowed:
        is_called = "removed" if step.removed else step.status
        raise Refused(f"step {step.name!r} is {is_called} and can't be {what}: {_instead(step)}")


def _instead(step: Step) -> str:
    """What helps where a step's status is in the way."""
    if step.removed:
        return ADDED_ANEW
    return INSTEAD[step.status]


def _call_back(draft: Draft, step: Step) -> None:
    """Its task, if it has one under way: the workflow cancels the activity, the daemon saves the work."""
    task = draft.state.tasks.get(names.step_task(step.id))
    if task is None or not task.status.is_live:
        return
    if task.status is TaskStatus.WAITING:
        draft.task(task.id, status=TaskStatus.INTERRUPTED, wait_until=None)
    else:
        draft.task(task.id, unwanted=True)
