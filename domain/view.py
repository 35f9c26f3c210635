"""What people and programs are shown of a directive: the documented shape of `--json` and the Web UI's texts."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from domain import names
from domain.models import DirectiveStatus, State, Step, StepStatus, TaskKind, TaskStatus, Value

DETAILS_LIMIT = 16 * 1024


class PullRequestView(Value):
    branch: str
    head: str
    url: str
    state: str


class StepView(Value):
    id: UUID
    name: str
    status: StepStatus
    generation: int
    order_index: int
    depends_on: tuple[UUID, ...]
    blocked_by: tuple[UUID, ...]
    attempt: int
    branch: str
    head_sha: str
    daemon: str
    failure: str
    waiting: str
    """Why it has not gone on, in one line; empty while it runs or has finished."""
    shipped: bool


class DirectiveView(Value):
    id: UUID
    workflow_id: str
    owner: str
    title: str
    goal: str
    repository: str
    base_branch: str
    status: DirectiveStatus
    reason: str
    generation: int
    pr: PullRequestView | None
    steps: tuple[StepView, ...]
    tasks: dict[str, str]
    """The planning, prepare and completion tasks: name → status."""


def view(state: State) -> DirectiveView:
    """All that is known of a directive without asking a daemon."""
    directive = state.directive
    pull_request = state.pull_request
    return DirectiveView(
        id=directive.id,
        workflow_id=names.workflow_id(directive.text.title, directive.id),
        owner=directive.owner,
        title=directive.text.title,
        goal=directive.text.goal,
        repository=directive.repository,
        base_branch=directive.base_branch,
        status=state.status,
        reason=state.reason,
        generation=state.generation,
        pr=PullRequestView(**pull_request.model_dump(exclude={"base"})) if pull_request else None,
        steps=tuple(_step_view(state, step) for step in state.ordered_steps()),
        tasks={
            _task_label(task.name, task.round): _described(task.status, task.reason)
            for task in state.tasks.values()
            if task.step is None
        },
    )


def _task_label(name: str, round_: int) -> str:
    return name if round_ == 1 else f"{name} ({round_})"


def _described(status: TaskStatus, reason: str) -> str:
    return f"{status}: {reason}" if reason else status.value


def _step_view(state: State, step: Step) -> StepView:
    task = state.tasks.get(names.step_task(step.id))
    return StepView(
        id=step.id,
        name=step.name,
        status=step.status,
        generation=step.generation,
        order_index=step.order_index,
        depends_on=step.depends_on,
        blocked_by=step.blocked_by,
        attempt=task.attempt if task else 0,
        branch=step.work.branch if step.work else names.task_branch(task.name, task.id) if task else "",
        head_sha=step.work.head if step.work else "",
        daemon=task.daemon if task else "",
        failure=f"{step.failure.category}: {step.failure.report}" if step.failure else "",
        waiting=waiting_reason(state, step),
        shipped=step.shipped,
    )


def waiting_reason(state: State, step: Step) -> str:
    """Why a step that has not finished is not running, in one line (SPEC 4.4)."""
    task = state.tasks.get(names.step_task(step.id))
    if step.status is StepStatus.BLOCKED:
        return "blocked by " + ", ".join(state.steps[other].name for other in step.blocked_by)
    if task and task.status is TaskStatus.WAITING:
        return task.reason
    if task and task.status is TaskStatus.PENDING and step.status is StepStatus.READY:
        return f"waits for a daemon on queue {names.daemons_queue(state.directive.owner)}"
    if step.status is StepStatus.READY:
        return "waits for a place among the steps in flight"
    if step.status is StepStatus.PENDING:
        waits = [state.steps[other].name for other in step.depends_on if not state.steps[other].status.satisfies]
        return "waits for " + (
            ", ".join(waits) or "the plan" if state.planned < state.generation else "an earlier phase"
        )
    return ""


def details(state: State) -> str:
    """The Web UI's current details (SPEC 9.2): a list, since tables render there without space in them (DESIGN 16)."""
    counts = Counter(step.status.value for step in state.steps.values())
    lines = [
        f"**{state.status}**, generation {state.generation}" + (f": {state.reason}" if state.reason else ""),
        "  ".join(f"{count} {status}" for status, count in counts.items()) or "no steps yet",
        *(
            f"- {task.name}: {_described(task.status, task.reason)}"
            for task in state.live()
            if task.kind is not TaskKind.STEP
        ),
        *(_detail_line(state, step) for step in sorted(state.steps.values(), key=_urgency)),
    ]
    if state.pull_request:
        lines.insert(2, f"branch `{state.pull_request.branch}` at {state.pull_request.head[:10]}")
    return _fitted(lines)


_URGENT = [StepStatus.RUNNING, StepStatus.READY, StepStatus.FAILED, StepStatus.BLOCKED]


def _urgency(step: Step) -> tuple[int, int, int, int]:
    rank = _URGENT.index(step.status) if step.status in _URGENT else len(_URGENT)
    return (rank, *step.order)


def _detail_line(state: State, step: Step) -> str:
    shown = _step_view(state, step)
    notes = [text for text in (shown.daemon and f"on {shown.daemon}", shown.waiting, shown.failure[:200]) if text]
    return f"- {step.status}: **{step.name}**" + "".join(f", {note}" for note in notes)


def _fitted(lines: list[str]) -> str:
    text = ""
    for number, line in enumerate(lines):
        if len((text + line).encode()) > DETAILS_LIMIT:
            return text + f"… and {len(lines) - number} more"
        text += line + "\n\n"
    return text
