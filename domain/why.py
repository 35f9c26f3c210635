"""Why a step is not running, and what happens next, in one line (rule 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain import names
from domain.models import State, Step, Task
from domain.questions import open_questions
from domain.queues import queue_of
from domain.readiness import holders
from domain.reports import DaemonSeen
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus


def why(state: State, step: Step, daemons: Sequence[DaemonSeen], now: datetime) -> str:
    """`daemons`: the owner's, gone ones too; `now`: the moment that the times are told from."""
    directive = names.short(state.directive.id)
    if ended := _ended(state, step, directive):
        return ended
    if step.status is StepStatus.RUNNING:
        return _running(state, step)
    return (
        _directive_stands_still(state, directive)
        or _blocked(state, step, directive)
        or _waits_for_a_plan(state, directive)
        or _waits(state, step, daemons, now)
    )


def _ended(state: State, step: Step, directive: str) -> str:
    retry = f'`retry-step {directive} "{step.name}"` runs it again'
    if step.status is StepStatus.FAILED:
        task = _task(state, step)
        after = f" after attempt {task.attempt} of {state.directive.settings.max_attempts}" if task else ""
        report = f": {_line(step.failure.report)}" if step.failure else ""
        category = f" ({step.failure.category})" if step.failure else ""
        return f"it failed{after}{category}{report}; {retry}, `skip-step` goes on without it"
    if step.removed:
        return "it was taken out of the plan; nothing happens with it any more"
    if step.status is StepStatus.CANCELLED:
        return f"it was cancelled; {retry}, `skip-step` goes on without it"
    return "there is nothing left to do" if step.status.is_finished else ""


def _running(state: State, step: Step) -> str:
    task = _task(state, step)
    limit = _span(state.directive.settings.timings.step_limit)
    return f"it runs{_where(task)}{_attempt(state, task)}; an attempt ends after {limit} at the latest"


def _directive_stands_still(state: State, directive: str) -> str:
    if state.status is DirectiveStatus.DRAFT:
        return f"the directive is a draft; `begin {directive}` starts it"
    if state.status.is_final:
        return f"the directive is {state.status}: nothing runs any more"
    if state.status is DirectiveStatus.PAUSED:
        reason = f" ({_line(state.reason)})" if state.reason else ""
        goes_on = f"edit {directive} --budget BUDGET" if state.budgeting.stopped else f"resume {directive}"
        return f"the directive is paused{reason}; `{goes_on}` goes on"
    return ""


def _blocked(state: State, step: Step, directive: str) -> str:
    if step.status is not StepStatus.BLOCKED:
        return ""
    causes = _causes(state, step)
    told = ", ".join(f"{cause.name}, which {_ending(cause)}" for cause in causes)
    first = causes[0].name if causes else "STEP"
    return f'it is blocked by {told}; `retry-step {directive} "{first}"` or `skip-step` frees it'


def _ending(step: Step) -> str:
    why = f" ({step.failure.category}: {_line(step.failure.report, 80)})" if step.failure else ""
    return f"{'failed' if step.status is StepStatus.FAILED else 'was cancelled'}{why}"


def _causes(state: State, step: Step) -> list[Step]:
    """The failed and cancelled steps at the end of all that blocks it."""
    found: dict[str, Step] = {}
    seen, waiting = set(), list(step.blocked_by)
    while waiting:
        blocker = state.steps[waiting.pop(0)]
        if blocker.id in seen:
            continue
        seen.add(blocker.id)
        if blocker.status is StepStatus.BLOCKED:
            waiting += blocker.blocked_by
        else:
            found[str(blocker.id)] = blocker
    return list(found.values())


def _waits_for_a_plan(state: State, directive: str) -> str:
    if state.proposal:
        plan = f"the plan of generation {state.proposal.generation}"
        return f"{plan} waits for approval; `approve {directive} --plan {state.proposal.name}` or `reject` decides"
    if state.planned < state.generation:
        planner = next(iter(state.live(TaskKind.PLANNING, TaskKind.PREPARE)), None)
        doing = f" ({planner.name}: {planner.status}{_where(planner)})" if planner else ""
        return f"generation {state.generation} is being planned{doing}; it is held until that plan is there"
    return ""


def _waits(state: State, step: Step, daemons: Sequence[DaemonSeen], now: datetime) -> str:
    task = _task(state, step)
    if task and task.status is TaskStatus.WAITING:
        return _task_waits(state, task, now)
    if before := holders(state, step):
        told = ", ".join(f"{each.name} ({each.status}{_where(_task(state, each))})" for each in before[:3])
        more = f" and {len(before) - 3} more" if len(before) > 3 else ""
        phase = "" if set(step.depends_on) & {each.id for each in before} else " of an earlier phase"
        return f"it waits for {told}{more}{phase}; it starts as soon as they are completed"
    if task and task.status in (TaskStatus.PENDING, TaskStatus.STARTING):
        return _queued(state, task, daemons)
    in_flight = [each for each in state.live(TaskKind.STEP) if each.status is not TaskStatus.WAITING]
    most = state.directive.settings.max_parallel_steps
    if len(in_flight) >= most:
        return f"{len(in_flight)} of at most {most} steps are in flight; it starts when one of them ends"
    return "it may start; the directive dispatches it in a moment"


def _task_waits(state: State, task: Task, now: datetime) -> str:
    asked = next((question for question in open_questions(state) if question.task == task.id), None)
    if asked:
        default = f", or {asked.default!r} {_when(asked.deadline, now)}" if asked.deadline else ""
        answer = f"`answer {names.short(state.directive.id)} {names.short(asked.id)} TEXT`"
        return f"its agent asks: {_line(asked.text)}; it goes on after {answer}{default}"
    until = f"; it goes on {_when(task.wait_until, now)}" if task.wait_until else "; it goes on when there is a place"
    return f"it waits: {_line(task.reason)}{until}"


def _queued(state: State, task: Task, daemons: Sequence[DaemonSeen]) -> str:
    queue = queue_of(state, task)
    lately = [each for each in daemons if each.reported_lately]
    serving = [each for each in lately if queue.is_served_by(each.name, each.labels, each.features)]
    refused = "; ".join(f"{daemon} refused: {_line(reason, 80)}" for daemon, reason in task.refusals.items())
    refused = f" ({refused})" if refused else ""
    attempt = _attempt(state, task)
    if not serving:
        who = f" {queue.daemon!r}" if queue.daemon else f" with label {queue.label!r}" if queue.label else ""
        silent = f"no daemon{who} of owner {state.directive.owner!r} has reported in the last 90 s"
        older = [each.name for each in lately if queue.is_served_by(each.name, each.labels, (queue.feature,))]
        if older:
            silent = f"{', '.join(older)} is of a version that knows no {queue.feature}: upgrade it"
        return f"its task is queued{attempt}, but {silent}{refused}; it starts as soon as one is started"
    if all(each.free == 0 for each in serving):
        slots = ", ".join(f"{each.name}: 0 of {each.capacity}" for each in serving)
        return f"its task is queued{attempt}, but no slot is free ({slots}){refused}; it starts when a task there ends"
    told = ", ".join(f"{each.name}: {each.free} of {each.capacity} slots free" for each in serving)
    return f"its task is queued{attempt} ({told}){refused}; a daemon takes it up within seconds"


def _task(state: State, step: Step) -> Task | None:
    return state.tasks.get(names.step_task(step.id))


def _where(task: Task | None) -> str:
    return f" on {task.daemon}" if task and task.daemon and task.status is TaskStatus.RUNNING else ""


def _attempt(state: State, task: Task | None) -> str:
    return f", attempt {task.attempt} of {state.directive.settings.max_attempts}" if task and task.attempt > 1 else ""


def _line(text: str, limit: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _when(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "when there is a place"
    return f"at {at:%H:%M:%S} UTC (in {_span(at - now)})" if at > now else "now"


def _span(length: timedelta) -> str:
    """`90 s`, `15 min`, `4 h`, `3 d`."""
    seconds = round(length.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
