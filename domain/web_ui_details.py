"""The Web UI's current details of a directive, as markdown (rule 9.2)."""

from __future__ import annotations

from collections import Counter

from domain import names
from domain.fallbacks import name_of
from domain.models import State, Step
from domain.pull_requests.pull_request_view import plain, standing
from domain.statuses import StepStatus, TaskKind
from domain.view import described, failure_line, waiting_reason
from domain.visible import visible

DETAILS_LIMIT = 16 * 1024


def details(state: State) -> str:
    """Where it stands, what it is doing, its steps by status.

    No tables, which render there without space in them (design 16); at most `DETAILS_LIMIT` bytes.
    """
    # Names of branches and addresses stand in it as they are: what is in them is shown, too, and in their own line.
    lines = [*_headlines(state), *_tasks_under_way(state), *_steps_by_status(state)]
    return _fitted([visible(line).replace("\n", " ") for line in lines])


_SHOWN_FIRST = (
    StepStatus.RUNNING,
    StepStatus.READY,
    StepStatus.FAILED,
    StepStatus.BLOCKED,
    StepStatus.PENDING,
    StepStatus.COMPLETED,
    StepStatus.MERGED,
    StepStatus.SKIPPED,
    StepStatus.CANCELLED,
)
"""What a reader needs first, since only so much fits."""

_CUT = "\n… and more: `starter.py status` shows all of it"


def _headlines(state: State) -> list[str]:
    counts = Counter(step.status for step in state.steps.values())
    counted = ", ".join(f"{counts[status]} {status}" for status in _SHOWN_FIRST if counts[status])
    lines = [f"**{state.status}**, generation {state.generation}: {counted or 'no steps yet'}"]
    lines += ["", plain(state.reason)] if state.reason else []
    if pull_request := state.pull_request:
        lines += ["", f"Branch `{pull_request.branch}` at `{pull_request.head[:10]}`"]
        lines += [f"Pull request {standing(state, pull_request)}: {pull_request.url}"] if pull_request.url else []
    return lines


def _tasks_under_way(state: State) -> list[str]:
    tasks = [task for task in state.live() if task.kind is not TaskKind.STEP]
    return _block("Now", [plain(f"{task.name}: {described(task.status, task.reason)}") for task in tasks])


def _steps_by_status(state: State) -> list[str]:
    # The newest generation first, so that what is cut off is the oldest.
    newest_first = sorted(state.steps.values(), key=lambda step: (-step.generation, *step.order))
    lines = []
    for status in _SHOWN_FIRST:
        lines += _block(status.capitalize(), [_detail(state, step) for step in newest_first if step.status is status])
    return lines


def _block(title: str, items: list[str]) -> list[str]:
    """Without an empty line below the title the Web UI sets the list close to it; other renderers do so anyway."""
    return ["", f"**{title}**", *(f"- {item}" for item in items)] if items else []


def _detail(state: State, step: Step) -> str:
    # Made anew for every step in every workflow task: no StepView here, whose fields are mostly not shown.
    task = state.tasks.get(names.step_task(step.id))
    notes = (
        step.name,
        f"on {task.daemon}" if step.status is StepStatus.RUNNING and task and task.daemon else "",
        f"by {name_of(state, task)} in place of {', '.join(task.agents.passed_over)}"
        if task and task.agents.passed_over
        else "",
        f"attempt {task.attempt}" if task and task.attempt > 1 else "",
        waiting_reason(state, step),
        failure_line(step)[:200],
    )
    return ", ".join(plain(note) for note in notes if note) + (f" `{step.work.branch}`" if step.work else "")


def _fitted(lines: list[str]) -> str:
    room = DETAILS_LIMIT - len(_CUT.encode())
    for number, line in enumerate(lines):
        room -= len(line.encode()) + 1
        if room < 0:
            return "\n".join([*lines[:number], _CUT])
    return "\n".join(lines)
