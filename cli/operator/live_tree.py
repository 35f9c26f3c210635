"""Directives as a tree on a terminal: what runs with its agent's last words, what waits and why, questions, cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cli.operator.json_shapes import TaskProgress
from cli.operator.step_pictures import PICTURES
from cli.operator.text_lines import lost_note
from cli.operator.watch_state import WatchedDirective
from domain import names
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from domain.usage import cost_of, duration
from domain.view import DirectiveView, ProposalView, StepView
from domain.visible import visible

MOST_WAITING = 5
"""Waiting steps that are shown with their reasons; the others are counted."""
MOST_PLANNED = 10
"""Steps of a plan that waits for approval that are named; the others are counted."""
BAR = 12
NONE = "no directive is at work"
LIVE = tuple(status.value for status in TaskStatus if status.is_live)

STYLES = {
    DirectiveStatus.PLANNING: "blue",
    DirectiveStatus.ACTIVE: "blue",
    DirectiveStatus.COMPLETING: "blue",
    DirectiveStatus.PAUSED: "yellow",
    DirectiveStatus.COMPLETED: "green",
    DirectiveStatus.FAILED: "red",
}


def tree(seen: Sequence[WatchedDirective], waits: str = "") -> RenderableType:
    """All of them below each other, as wide as the terminal is; `waits`: why this is not the newest."""
    shown: list[RenderableType] = [_directive(each) for each in seen]
    note = Text(waits or NONE, "yellow" if waits else "dim")
    return Group(*shown, note) if waits or not shown else Group(*shown)


def counts(view: DirectiveView) -> str:
    """`5 completed, 1 failed`."""
    found = Counter(step.status for step in view.steps)
    return ", ".join(f"{found[status]} {status}" for status in PICTURES if found[status]) or "no steps"


def _directive(seen: WatchedDirective) -> Tree:
    view = seen.view
    root = Tree(_headline(seen))
    if why := lost_note(seen.look.lost) if seen.look.lost else view.reason:
        root.add(_line("!", why, "yellow"))
    if not seen.rests:
        _add_running_tasks(root, seen)
    if view.proposal:
        _add_proposal(root, view.proposal, names.short(view.id))
    for asked in view.questions:
        root.add(_line("?", f"answer {names.short(view.id)} {names.short(asked.id)} …: {asked.text}", "magenta"))
    for step in view.steps:
        if step.status is StepStatus.FAILED:
            root.add(_step_line(step, step.failure))
    if not seen.rests:
        _add_waiting(root, [step for step in view.steps if step.waiting])
    if view.pr:
        root.add(_line("⇡", view.pr.url or f"branch {view.pr.branch}", "green"))
    return root


def _headline(seen: WatchedDirective) -> Table:
    view = seen.view
    done, all_ = sum(step.status.satisfies for step in view.steps), len(view.steps)
    title = _text(view.title, "bold")
    status = f"{view.status}" + ("" if seen.look.live else " (recorded)")
    bar = ProgressBar(total=max(all_, 1), completed=done, width=BAR)
    return _row(title, Text(status, STYLES.get(view.status, "")), bar, f"{done}/{all_}", _cost(view))


def _cost(view: DirectiveView) -> str:
    usage = view.usage
    return cost_of(usage) or (duration(usage.seconds) if usage.seconds else "")


def _add_running_tasks(root: Tree, seen: WatchedDirective) -> None:
    for name, status in seen.view.tasks.items():
        if status.startswith(LIVE):
            running = next((each for each in seen.progress if each.kind != TaskKind.STEP), None)
            _add_running(root, name if running else f"{name}: {status}", running)
    doing = {each.task: each for each in seen.progress}
    for step in seen.view.steps:
        if step.status is StepStatus.RUNNING:
            _add_running(root, step.name, doing.get(names.short(names.step_task(step.id))))


def _add_proposal(root: Tree, proposal: ProposalView, directive: str) -> None:
    wanted = (
        f"approve {directive} --plan {proposal.name}, or reject {directive} --comment …: the plan waits for approval"
    )
    planned = root.add(_line("?", wanted, "magenta"))
    changes = [*(f"+ {name}" for name in proposal.steps), *(f"- {name}" for name in proposal.removed)]
    for change in changes[:MOST_PLANNED]:
        planned.add(_text(change))
    if len(changes) > MOST_PLANNED:
        planned.add(Text(f"… and {len(changes) - MOST_PLANNED} more: plan {directive}", "dim"))


def _add_waiting(root: Tree, waiting: Sequence[StepView]) -> None:
    for step in waiting[:MOST_WAITING]:
        root.add(_step_line(step, step.waiting))
    if len(waiting) > MOST_WAITING:
        root.add(Text(f"… and {len(waiting) - MOST_WAITING} more that wait", "dim"))


def _add_running(root: Tree, name: str, progress: TaskProgress | None) -> None:
    picture = PICTURES[StepStatus.RUNNING]
    title = _line(picture.sign, name, picture.style)
    if progress is None:
        root.add(title)
        return
    bar = ProgressBar(total=max(progress.limit_seconds, 1), completed=progress.seconds, width=BAR)
    again = f"delivery {progress.delivery}" if progress.delivery > 1 else ""
    doing = _line(f"{progress.daemon}:", progress.phase, "default")
    doing.append("  ").append_text(_text(progress.last_line, "dim"))
    root.add(_row(title, Text(again, "yellow"), bar, duration(progress.seconds), "")).add(doing)


def _step_line(step: StepView, why: str) -> Text:
    picture = PICTURES[step.status]
    return _line(picture.sign, f"{step.name}: {why}", picture.style)


def _line(sign: str, text: str, style: str) -> Text:
    return _text(f"{sign} {text}", style)


def _text(text: str, style: str = "") -> Text:
    """On one line, and made visible before it is measured: what is written out is longer."""
    return Text(visible(" ".join(text.split())), style, overflow="ellipsis", no_wrap=True)


def _row(title: RenderableType, note: Text, bar: RenderableType, right: str, last: str) -> Table:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    row.add_column(no_wrap=True)
    row.add_column(width=BAR)
    row.add_column(justify="right", no_wrap=True, min_width=7)
    row.add_column(justify="right", no_wrap=True, min_width=8)
    row.add_row(title, note, bar, Text(right), Text(last))
    return row
