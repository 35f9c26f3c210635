"""What follows from where a directive stands: plan, start, hold back, complete, rest (rules 2, 4, 8.1)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from domain import budgeting, names
from domain.change import Change, Draft
from domain.directive_settings import CompletionRule
from domain.events import EventName, directive_is
from domain.models import State, Step, Task
from domain.pull_requests.shipping import is_worth_a_completion, unshipped, was_changed_by_hand
from domain.pull_requests.watching import unfinished, waits_in_queue
from domain.questions import answer_by_default, next_deadline, open_questions
from domain.readiness import standing
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus

PLANNERS = (TaskKind.PLANNING, TaskKind.PREPARE)
QUEUED = "finished work waits for the merge queue, which a push would take the pull request out of"


def advance(state: State, now: datetime, *, recorded: int, resting: bool = False, heeds_queue: bool = True) -> Change:
    """Everything that follows by itself, in one change; applied again at once it changes nothing more.

    `recorded` is the newest generation whose plan the ledger holds: no step of a newer one is started (design 3).
    `resting`: the run is too long to start anything before it has continued as new (design 6). `heeds_queue`: nothing
    is pushed to a pull request that waits in a merge queue; runs from before have done so.
    """
    draft = Draft(state, now)
    if state.status.is_final:
        _call_back(draft, draft.state.live())
    elif state.status is not DirectiveStatus.DRAFT:
        answer_by_default(draft)
        _judge_steps(draft)
        budgeting.keep(draft)
        if draft.state.status is DirectiveStatus.PAUSED:
            _stand_still(draft)
        else:
            _go_on(draft, recorded, resting=resting, heeds_queue=heeds_queue)
    return draft.change()


def _stand_still(draft: Draft) -> None:
    _judge_steps(draft)
    _call_back(draft, [task for task in draft.state.live() if task.status is TaskStatus.PENDING])


def _go_on(draft: Draft, recorded: int, *, resting: bool, heeds_queue: bool) -> None:
    _hold(draft)
    if not resting:
        _wake(draft)
        _plan(draft)
        _start_steps(draft, recorded)
        if not (heeds_queue and _waits_to_ship(draft.state)):
            _complete(draft)
    _settle(draft, heeds_queue=heeds_queue)


def is_planning(state: State) -> bool:
    """A newer goal than the newest plan's is there."""
    return state.planned < state.generation


def next_wake(state: State) -> datetime | None:
    """When the first waiting task is due."""
    due = [task.wait_until for task in state.live() if task.wait_until and state.status is not DirectiveStatus.PAUSED]
    deadline = next_deadline(state)
    return min([*due, deadline] if deadline else due, default=None)


def _wake(draft: Draft) -> None:
    """A waiting task that is due is dispatched again: the same attempt, another activity."""
    waits_for_answer = {question.task for question in open_questions(draft.state)}
    due = [task for task in draft.state.live() if _is_due(task, draft.now, waits_for_answer)]
    room = _room(draft.state) if due else 0
    for task in due:
        if task.step is None or room > 0:
            room -= task.step is not None
            over = {daemon for daemon, until in task.refused_until.items() if until <= draft.now}
            draft.task(
                task.id,
                status=TaskStatus.PENDING,
                wait_until=None,
                dispatch=task.dispatch + 1,
                refusals={name: why for name, why in task.refusals.items() if name not in over},
                refused_until={name: at for name, at in task.refused_until.items() if name not in over},
            )
        elif task.wait_until:
            # Due, but there is no place: without a time no timer wakes the workflow again and again for it.
            draft.task(task.id, wait_until=None)


def _is_due(task: Task, now: datetime, waits_for_answer: Collection[UUID]) -> bool:
    """Its time has come; one without a time waits for an answer, or had no place when its time came."""
    if task.status is not TaskStatus.WAITING:
        return False
    return task.id not in waits_for_answer if task.wait_until is None else task.wait_until <= now


def _room(state: State) -> int:
    """How many more steps may be in flight; a waiting one has given its place back (rule 5.3)."""
    in_flight = [task for task in state.live(TaskKind.STEP) if task.status is not TaskStatus.WAITING]
    return state.directive.settings.max_parallel_steps - len(in_flight)


def _plan(draft: Draft) -> None:
    """One planner, for the newest goal; one for an older goal is called back, as is one that nobody waits for any more:
    the work is to end with what is there (rule 2.10).
    """
    state = draft.state
    wanted = is_planning(state)
    _call_back(draft, [task for task in state.live(*PLANNERS) if not wanted or task.generation < state.generation])
    if not wanted or state.proposal or any(task.generation == state.generation for task in state.live(*PLANNERS)):
        return
    given = bool(state.given_plan) and state.generation == 1
    kind = TaskKind.PREPARE if given else TaskKind.PLANNING
    title = state.directive.text.title
    name = f"Prepare: {title}" if given else f"{'Plan' if state.generation == 1 else 'Re-plan'}: {title}"
    _new_directive_task(draft, kind, name)


def _new_directive_task(draft: Draft, kind: TaskKind, name: str, **fields: object) -> None:
    state = draft.state
    earlier = [task for task in state.tasks.values() if task.kind is kind and task.generation == state.generation]
    round_ = 1 + max((task.round for task in earlier), default=0)
    identity = names.directive_task(state.directive.id, kind, state.generation, round_)
    task = Task(id=identity, kind=kind, name=name, generation=state.generation, round=round_)
    draft.put_task(task.model_copy(update=fields))


def _judge_steps(draft: Draft) -> None:
    held = is_planning(draft.state) or draft.state.status is DirectiveStatus.PAUSED
    for identity, (status, blocked_by) in standing(draft.state).items():
        step = draft.state.steps[identity]
        shown = StepStatus.PENDING if held and status is StepStatus.READY else status
        if (step.status, step.blocked_by) != (shown, blocked_by):
            draft.step(identity, status=shown, blocked_by=blocked_by)
            if shown is StepStatus.BLOCKED:
                draft.event(
                    EventName.STEP_BLOCKED,
                    ", ".join(draft.state.steps[other].name for other in blocked_by),
                    step=identity,
                )


def _hold(draft: Draft) -> None:
    """While a plan is wanted, or a step may not start after all, tasks that have not started are called back."""
    for task in draft.state.live(TaskKind.STEP):
        step = draft.state.steps[task.step] if task.step else None
        if step and step.status in (StepStatus.PENDING, StepStatus.BLOCKED, StepStatus.CANCELLED):
            _call_back(draft, [task])


def _call_back(draft: Draft, tasks: list[Task]) -> None:
    """Ask the workflow to cancel; what only waits is interrupted at once, since no activity holds it."""
    for task in tasks:
        if task.status is TaskStatus.WAITING:
            draft.task(task.id, status=TaskStatus.INTERRUPTED, wait_until=None)
        elif not task.unwanted:
            draft.task(task.id, unwanted=True)


def _start_steps(draft: Draft, recorded: int) -> None:
    state = draft.state
    room = _room(state)
    ready = [step for step in state.steps.values() if step.status is StepStatus.READY and step.generation <= recorded]
    for step in sorted(ready, key=lambda step: step.order):
        before = state.tasks.get(names.step_task(step.id))
        if before and before.status.is_live:
            continue
        if room <= 0:
            break
        draft.put_task(_step_task(state, step, before))
        room -= 1


def _step_task(state: State, step: Step, before: Task | None) -> Task:
    """The task of a step that may start: an interrupted attempt keeps its number, a failed one gets the next."""
    if before is None:
        name = f"{state.directive.text.title}: {step.name}"
        return Task(
            id=names.step_task(step.id), kind=TaskKind.STEP, name=name, step=step.id, generation=step.generation
        )
    again = {"status": TaskStatus.PENDING, "unwanted": False, "reason": ""}
    if before.status is TaskStatus.INTERRUPTED:
        return before.model_copy(update={**again, "dispatch": before.dispatch + 1})
    agents = before.agents.anew()
    return before.model_copy(
        update={**again, "attempt": before.attempt + 1, "dispatch": 1, "resume": None, "agents": agents}
    )


def _complete(draft: Draft) -> None:
    """Ship what is done once no step can make progress any more (rule 2.6)."""
    state = draft.state
    if is_planning(state) or state.live() or _can_progress(state):
        return
    to_ship = unshipped(state)
    left = bool(unfinished(state))
    if state.directive.settings.completion is CompletionRule.ALL and left and not state.budgeting.finishing:
        return
    if is_worth_a_completion(state, to_ship):
        ships = tuple(step.id for step in to_ship)
        by_hand = was_changed_by_hand(state)
        draft.set(shepherding=state.shepherding.model_copy(update={"draft": left, "by_hand": by_hand}))
        _new_directive_task(draft, TaskKind.COMPLETION, f"PR: {state.directive.text.title}", ships=ships)
    else:
        for step in to_ship:
            draft.step(step.id, shipped=True, shipped_in=state.pull_request.version if state.pull_request else 0)


def _can_progress(state: State) -> bool:
    return any(step.status in (StepStatus.READY, StepStatus.RUNNING) for step in state.steps.values())


def _settle(draft: Draft, *, heeds_queue: bool) -> None:
    status, waits = _status(draft.state), heeds_queue and _waits_to_ship(draft.state)
    if status is DirectiveStatus.IDLE and draft.state.directive.settings.once and not waits:
        status = DirectiveStatus.FAILED if unfinished(draft.state) else DirectiveStatus.COMPLETED
    reason = QUEUED if waits and status is DirectiveStatus.IDLE else _reason(draft.state, status)
    if (status, reason) != (draft.state.status, draft.state.reason):
        draft.set(status=status, reason=reason)
        draft.event(directive_is(status))


def _waits_to_ship(state: State) -> bool:
    """Whether the merge queue is to decide first: to answer a remark is no push."""
    return waits_in_queue(state) and any(step.work and step.work.commits for step in unshipped(state))


def _reason(state: State, status: DirectiveStatus) -> str:
    """Why it stands still, where nothing else says so."""
    if state.proposal:
        return f"the plan of generation {state.proposal.generation} waits for approval"
    if (
        status is DirectiveStatus.IDLE
        and state.directive.settings.completion is CompletionRule.ALL
        and unshipped(state)
    ):
        return "the completion waits for all steps (--completion all): retry or skip those that failed"
    return ""


def _status(state: State) -> DirectiveStatus:
    if is_planning(state):
        return DirectiveStatus.PLANNING
    if state.live(TaskKind.COMPLETION):
        return DirectiveStatus.COMPLETING
    if state.live() or _can_progress(state):
        return DirectiveStatus.ACTIVE
    return DirectiveStatus.IDLE
