"""How what daemons report becomes part of the state (SPEC 3.5, 5.3–5.5): late reports change nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from domain.change import Change, Draft
from domain.errors import PlanRefused
from domain.models import (
    DirectiveStatus,
    Failure,
    FailureCategory,
    PullRequest,
    State,
    Step,
    StepStatus,
    Task,
    TaskKind,
    TaskStatus,
)
from domain.plan import MAX_UNFINISHED_TEXTS, check, text_size
from domain.record import AttemptEnded, DeliveryStarted
from domain.spawn_task import Outcome, OutcomeStatus, PlanChanges, TaskStarted

COMPLETION_ATTEMPTS = 2
PLANNING_ATTEMPTS = 2
"""The second one only after a plan that clashes with what has happened meanwhile (SPEC 3.5)."""


def fold_started(state: State, started: TaskStarted, now: datetime) -> Change:
    """The work of an attempt has lived for a second on a daemon (SPEC 4.4)."""
    draft = Draft(state, now, f"daemon:{started.daemon}")
    task = state.tasks.get(started.task)
    if task and task.status.is_live and task.attempt == started.attempt:
        draft.task(task.id, status=TaskStatus.RUNNING, daemon=started.daemon, delivery=started.delivery, reason="")
        draft.fact(DeliveryStarted(**started.model_dump(), at=now))
        draft.event(
            "task started", f"attempt {started.attempt}, delivery {started.delivery}", task=task.id, step=task.step
        )
        if task.step and not state.steps[task.step].status.is_finished:
            draft.step(task.step, status=StepStatus.RUNNING, blocked_by=())
    return draft.change()


def fold_outcome(state: State, dispatched: Task, outcome: Outcome, now: datetime) -> Change:
    """The result of one attempt, whichever delivery reports it; ignored unless this attempt is the current one."""
    draft = Draft(state, now, f"daemon:{outcome.daemon}")
    task = state.tasks[dispatched.id]
    if not task.status.is_live or task.attempt != dispatched.attempt or outcome.task != task.id:
        return draft.change()
    draft.task(task.id, daemon=outcome.daemon or task.daemon)
    if outcome.status is OutcomeStatus.WAITING:
        _wait(draft, task, outcome.summary, outcome.wait_until or now)
        return draft.change()
    draft.fact(AttemptEnded(outcome=outcome, at=now))
    if outcome.failure:
        _fail(draft, task, outcome.failure)
    else:
        _succeed(draft, task, outcome)
    return draft.change()


def fold_interrupted(state: State, dispatched: Task, now: datetime) -> Change:
    """The workflow called the task back: no attempt is used (SPEC 5.5)."""
    draft = Draft(state, now)
    if state.tasks[dispatched.id].status.is_live:
        task = draft.task(dispatched.id, status=TaskStatus.INTERRUPTED, reason="called back", daemon="", delivery="")
        draft.event("task called back", task=task.id, step=task.step)
        _reopen(draft, task)
    return draft.change()


def fold_cannot_serve(state: State, dispatched: Task, reason: str, until: datetime | None, now: datetime) -> Change:
    """A daemon refused the task: it waits and is tried again, with the reason shown (SPEC 5.4)."""
    draft = Draft(state, now)
    due = until or now + state.directive.settings.timings.cannot_serve
    _wait(draft, state.tasks[dispatched.id], reason, max(due, now + timedelta(seconds=1)))
    return draft.change()


def fold_broken(state: State, dispatched: Task, failure: Failure, now: datetime) -> Change:
    """The attempt ended without an outcome for good: its daemons were lost, or ours is a defect. Not tried again."""
    draft = Draft(state, now)
    task = state.tasks[dispatched.id]
    if task.status.is_live:
        draft.fact(
            AttemptEnded(
                outcome=Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.FAILED, failure=failure),
                at=now,
            )
        )
        _give_up(draft, task, failure)
    return draft.change()


def _wait(draft: Draft, task: Task, reason: str, until: datetime) -> None:
    draft.task(task.id, status=TaskStatus.WAITING, reason=reason, wait_until=until, daemon="", delivery="")
    draft.event("task waits", reason, task=task.id, step=task.step)
    _reopen(draft, task)


def _reopen(draft: Draft, task: Task) -> None:
    """Its step is again one that has not started; the policy judges it."""
    if task.step and not draft.state.steps[task.step].status.is_finished:
        draft.step(task.step, status=StepStatus.PENDING)


def _fail(draft: Draft, task: Task, failure: Failure) -> None:
    attempts = {
        TaskKind.STEP: draft.state.directive.settings.max_attempts,
        TaskKind.COMPLETION: COMPLETION_ATTEMPTS,
        TaskKind.PLANNING: PLANNING_ATTEMPTS if failure.category is FailureCategory.PLAN else 1,
        TaskKind.PREPARE: 1,
    }[task.kind]
    draft.event("attempt failed", f"{failure.category}: {failure.report}"[:500], task=task.id, step=task.step)
    if task.attempt < attempts and failure.category is not FailureCategory.REPOSITORY:
        draft.task(
            task.id, status=TaskStatus.PENDING, attempt=task.attempt + 1, dispatch=1, earlier=failure, delivery=""
        )
        _reopen(draft, task)
    else:
        _give_up(draft, task, failure)


def _give_up(draft: Draft, task: Task, failure: Failure) -> None:
    """A step fails; planning and completion pause the directive with the reason (SPEC 2.2, 2.6)."""
    draft.task(task.id, status=TaskStatus.FAILED, reason=failure.report)
    if task.step is not None:
        if not draft.state.steps[task.step].status.is_finished:
            draft.step(task.step, status=StepStatus.FAILED, failure=failure)
            draft.event("step failed", failure.category, step=task.step)
    elif task.kind is TaskKind.COMPLETION or task.generation == draft.state.generation:
        pause(draft, f"{task.name}: {failure.report}")


def pause(draft: Draft, reason: str) -> None:
    """Nothing new is started until an operator resumes."""
    if not draft.state.status.is_final:
        draft.set(status=DirectiveStatus.PAUSED, reason=reason)
        draft.event("directive paused", reason)


def _succeed(draft: Draft, task: Task, outcome: Outcome) -> None:
    draft.task(task.id, status=TaskStatus.COMPLETED, reason="")
    match task.kind:
        case TaskKind.STEP:
            _complete_step(draft, task, outcome)
        case TaskKind.PLANNING | TaskKind.PREPARE:
            _fold_plan(draft, task, outcome)
        case TaskKind.COMPLETION:
            _ship(draft, task, outcome)


def _complete_step(draft: Draft, task: Task, outcome: Outcome) -> None:
    assert task.step is not None
    if draft.state.steps[task.step].status.is_finished:
        return  # removed or cancelled while it ran to its end: its work is saved, the plan goes on without it
    draft.step(
        task.step, status=StepStatus.COMPLETED, work=outcome.work, summary=outcome.summary, failure=None, blocked_by=()
    )
    draft.event("step completed", outcome.summary, step=task.step, task=task.id)


def _ship(draft: Draft, task: Task, outcome: Outcome) -> None:
    assert outcome.work is not None
    for step in task.ships:
        draft.step(step, shipped=True)
    work = outcome.work
    base = draft.state.directive.base_branch
    draft.set(pull_request=PullRequest(branch=work.branch, head=work.head, base=base))
    draft.event("branch pushed", f"{work.branch} {work.head}", task=task.id)


def _fold_plan(draft: Draft, task: Task, outcome: Outcome) -> None:
    """The plan becomes steps, unless a newer goal has come or it clashes with what has happened (SPEC 3.5)."""
    state = draft.state
    if task.generation != state.generation:
        return
    changes = outcome.plan or PlanChanges()
    if task.kind is TaskKind.PREPARE:
        changes = PlanChanges(add=state.given_plan)
    if not changes.add and not state.steps:
        pause(draft, f"{task.name}: the planner handed over no step: {outcome.summary or 'no reason given'}")
        return
    try:
        _check_against(state, changes)
    except PlanRefused as refusal:
        _refuse_plan(draft, task, str(refusal))
        return
    draft.set(planned=task.generation, bases={**state.bases, task.generation: outcome.base_commit}, given_plan=())
    for identity in changes.remove:
        _remove(draft, identity)
    for step in changes.add:
        draft.put_step(step.model_copy(update={"generation": task.generation}))
    draft.event("planned", f"generation {task.generation}: {len(changes.add)} new steps", task=task.id)


def _check_against(state: State, changes: PlanChanges) -> None:
    check(changes)
    added = {step.id for step in changes.add}
    removed = set(changes.remove)
    if added & state.steps.keys():
        raise PlanRefused("the plan adds a step whose id exists already")
    for step in [*changes.add, *(step for step in state.steps.values() if not step.status.is_finished)]:
        if step.id in removed:
            continue
        for other in step.depends_on:
            if other not in added and other not in state.steps:
                raise PlanRefused(f"step {step.name!r} depends on {other}, which is not there")
            if other in removed and not state.steps[other].status.is_finished:
                raise PlanRefused(f"step {step.name!r} depends on {state.steps[other].name!r}, which the plan removes")
    unfinished = [step for step in state.steps.values() if not step.status.is_finished]
    if text_size([*changes.add, *unfinished]) > MAX_UNFINISHED_TEXTS:
        raise PlanRefused(f"the unfinished steps would hold more than {MAX_UNFINISHED_TEXTS // 1024} KiB of text")


def _refuse_plan(draft: Draft, task: Task, reason: str) -> None:
    draft.task(task.id, status=TaskStatus.RUNNING)
    _fail(draft, task, Failure(category=FailureCategory.PLAN, report=reason))


def _remove(draft: Draft, identity: UUID) -> None:
    step: Step | None = draft.state.steps.get(identity)
    if step is None or step.status.is_finished:
        draft.event("removal dropped", "the step has finished" if step else "no such step", step=identity)
        return
    draft.step(identity, status=StepStatus.CANCELLED, removed=True, blocked_by=())
    draft.event("step removed", step=identity)
