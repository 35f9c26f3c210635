"""Where `watch` tells what it sees: a live tree on a terminal, a line a change elsewhere, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

import typer
from rich.console import Console
from rich.live import Live

from cli.operator import live_tree, text_lines
from cli.operator.json_shapes import WatchShown
from cli.operator.printing import console, print_json
from cli.operator.watch_state import WatchedDirective
from domain.names import short
from domain.usage import Usage, used


class Screen(AbstractContextManager["Screen"], Protocol):
    """Shows one look after another."""

    def render(self, seen: Sequence[WatchedDirective]) -> None: ...

    def wait(self, why: str) -> None:
        """Nothing can be seen at this moment."""
        ...


class _Plain:
    def __init__(self) -> None:
        self._waits = ""

    def __enter__(self) -> Self:
        return self

    def wait(self, why: str) -> None:
        if why != self._waits:
            typer.echo(f"makima: {why}", err=True)
        self._waits = why

    def __exit__(self, *_: object) -> None:
        """Every line was printed when it came."""


class Lines(_Plain):
    """A line for everything that changes, and a summary at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[UUID, WatchedDirective] = {}

    def render(self, seen: Sequence[WatchedDirective]) -> None:
        for each in seen:
            before = self._before.get(each.view.id)
            for line in text_lines.changes(before.view if before else None, each.view):
                typer.echo(line)
            self._before[each.view.id] = each

    def __exit__(self, *_: object) -> None:
        for line in summary(list(self._before.values())):
            typer.echo(line)


class JsonLines(_Plain):
    """A directive's whole view on one line of JSON, where anything differs of it, or of what its agents say."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[UUID, object] = {}

    def render(self, seen: Sequence[WatchedDirective]) -> None:
        for each in seen:
            now = (each.view, sorted((task.task, task.phase, task.last_line, task.delivery) for task in each.progress))
            if self._before.get(each.view.id) != now:
                said = {"lost": each.look.lost, "progress": each.progress}
                print_json(WatchShown(**each.view.model_dump(), **said))
            self._before[each.view.id] = now


class LiveTree:
    """A tree that is drawn anew in its place; what stays on the terminal is the summary."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="ellipsis")
        self._last: Sequence[WatchedDirective] = ()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def render(self, seen: Sequence[WatchedDirective]) -> None:
        self._last = seen
        self._live.update(live_tree.tree(seen), refresh=True)

    def wait(self, why: str) -> None:
        self._live.update(live_tree.tree(self._last, waits=why), refresh=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        for line in summary(self._last):
            self._console.print(line, markup=False, highlight=False)


def screen(*, as_json: bool) -> Screen:
    """The one that suits what stdout is."""
    if as_json:
        return JsonLines()
    terminal = console()
    return LiveTree(terminal) if terminal.is_terminal else Lines()


def summary(seen: Sequence[WatchedDirective]) -> list[str]:
    """What each directive has come to: steps, use, what went wrong, what is wanted, and last its status."""
    return [line for each in seen for line in _summary(each)] or [live_tree.NONE]


def _summary(seen: WatchedDirective) -> list[str]:
    view = seen.view
    lines = [f"  {live_tree.counts(view)}" + (f"; {used(view.usage)}" if view.usage != Usage() else "")]
    lines += ["  " + text_lines.step_line(step) for step in view.steps if step.failure]
    lines += text_lines.proposal_lines(view.proposal, short(view.id)) if view.proposal else []
    lines += ["  " + line for asked in view.questions for line in text_lines.question_lines(asked, short(view.id))]
    lines += [f"  branch {view.pr.branch}" + (f"  {view.pr.url}" if view.pr.url else "")] if view.pr else []
    status = text_lines.lost_note(seen.look.lost) if seen.look.lost else f"{view.status}"
    return [*lines, f"{view.title}: {status}" + (f" ({view.reason})" if view.reason else "")]
