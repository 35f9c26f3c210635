"""Commands that look closer at one directive: its graph, its plans, why a step waits, what a step changed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.operator.command_group import Commands, Id, Json, OptionalStepName, Raw, StepName
from cli.operator.printing import console, print_json, print_lines, print_raw
from domain.errors import Refused
from domain.experience import estimate_line
from domain.lookup import find_step
from domain.visible import visible

if TYPE_CHECKING:
    from cli.operator.changes import CommitRange
    from domain.generations import PlanDifference, PlannedLine
    from domain.models import State
    from domain.view import StepView
    from steering.closer import PlanShown

# What draws takes a tenth of a second to import, which `plan` and `why` have no use for.


class GraphFormat(StrEnum):
    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"


class ViewCommands(Commands):
    def add_to(self, app: typer.Typer) -> None:
        for command in (self.graph, self.plan, self.why, self.diff):
            app.command(command.__name__)(command)

    def graph(
        self,
        directive: Id,
        format_: Annotated[GraphFormat, typer.Option("--format", help="How it is drawn.")] = GraphFormat.TEXT,
        as_json: Json = False,
    ) -> None:
        """Draw a directive's steps with what they depend on and where they stand: for the terminal, as Mermaid text,
        or as a picture.

        Example: starter.py graph 3f2a --format svg
        """
        self.run(self._graph(directive, format_, as_json=as_json))

    async def _graph(self, reference: str, format_: GraphFormat, *, as_json: bool) -> int:
        from domain.view import view

        async with self.recorded() as directives:
            state = await directives.state(reference)
        removed = {step.id for step in state.steps.values() if step.removed}
        steps = [step for step in view(state).steps if step.id not in removed]
        if as_json:
            from cli.operator.json_shapes import GraphShown

            print_json(GraphShown(format=format_, text=_drawn(steps, format_, state.directive.text.title)))
        elif format_ is GraphFormat.TEXT:
            _print_lanes(steps)
        else:
            typer.echo(_drawn(steps, format_, state.directive.text.title))
        return 0

    def plan(
        self,
        directive: Id,
        generation: Annotated[int | None, typer.Option(help="The newest one if not given.", min=1)] = None,
        diff: Annotated[bool, typer.Option("--diff", help="Against the generation before.")] = False,
        full: Annotated[bool, typer.Option("--full", help="With what each unfinished step's agent is told.")] = False,
        as_json: Json = False,
    ) -> None:
        """Print the plan of a generation; with --diff, what it added, removed and rewired.

        Example: starter.py plan 3f2a --diff --full
        """
        self.run(self._plan(directive, generation, diff=diff, full=full, as_json=as_json))

    async def _plan(self, reference: str, generation: int | None, *, diff: bool, full: bool, as_json: bool) -> int:
        shown = await self.looking.plan(reference, generation, diff=diff)
        if as_json:
            print_json(shown)
        else:
            print_lines(plan_lines(shown, full=full))
        return 0

    def why(self, directive: Id, step: OptionalStepName = None, as_json: Json = False) -> None:
        """Say in one line why a step isn't running, and what happens next; without a step, of all that aren't done,
        and why the pull request can't be merged.

        Example: starter.py why 3f2a "Session store"
        """
        self.run(self._why(directive, step, as_json=as_json))

    async def _why(self, reference: str, step: str | None, *, as_json: bool) -> int:
        told = await self.looking.why(reference, step)
        if as_json:
            print_json(told.steps[0] if step is not None else told)
            return 0
        lines = [f"{each.name} is {each.status}: {each.why}" for each in told.steps]
        lines += [f"its pull request can't be merged now: {'; '.join(told.blocked)}"] if told.blocked else []
        lines = lines or [f"no step of it waits for anything: it is {told.directive_status}"]
        if told.timers:
            from cli.operator.text_lines import timer_line

            lines += [f"next: {timer_line(each)}" for each in told.timers]
        print_lines(lines)
        return 0

    def diff(
        self,
        directive: Id,
        step: StepName,
        stat: Annotated[bool, typer.Option("--stat", help="Only which files, and how many lines.")] = False,
        raw: Raw = False,
        as_json: Json = False,
    ) -> None:
        """Print what a step changed, fetched from the repository with your own git and its credentials.

        Example: starter.py diff 3f2a "Session store" --stat
        """
        self.run(self._diff(directive, step, stat=stat, raw=raw, as_json=as_json))

    async def _diff(self, reference: str, step: str, *, stat: bool, raw: bool, as_json: bool) -> int:
        async with self.recorded() as directives:
            state = await directives.state(reference)
        found = find_step(state, step)
        if found.work is None:
            raise Refused(f"step {found.name!r} is {found.status} and has left no commit: there is nothing to show")
        if found.work.base == found.work.head:
            raise Refused(f"step {found.name!r} changed nothing: {found.summary or 'it made no commit'}")
        from cli.operator.changes import Changes

        changes = Changes(state.directive.repository, self.connections.cache)
        change = await changes.of(found.work, _heads(state))
        patch = "" if stat else await changes.patch(change)
        if as_json:
            from cli.operator.json_shapes import DiffShown

            work = {"branch": found.work.branch, "base": change.base, "head": change.head, "files": change.files}
            print_json(DiffShown(step=found.id, name=found.name, patch=patch, **work))
        elif stat:
            print_lines(stat_lines(change))
        elif raw:
            print_raw(patch)
        else:
            _print_patch(patch)
        return 0


def plan_lines(shown: PlanShown, *, full: bool = False) -> list[str]:
    """A plan, or what it changed, a line a step; `full`: with the texts of those that are planned, below."""
    waits = ", waits for approval" if shown.waits_for_approval else ""
    if shown.difference is None:
        steps = [line for each in shown.steps for line in _planned_lines("", each, full=full)]
        told = [f"  {estimate_line(shown.estimate)}"] if shown.estimate else []
        return [f"plan of generation {shown.generation}{waits}", *steps, *told]
    against = f"generation {shown.against}" if shown.against else "nothing"
    changed = _difference_lines(shown.difference, full=full)
    return [f"plan of generation {shown.generation}{waits}, against {against}", *changed]


def _planned_lines(sign: str, step: PlannedLine, *, full: bool) -> list[str]:
    texts = (step.description, step.task_plan) if full else ()
    return [f"  {sign}{_planned_line(step)}", *(f"      {line}" for text in texts for line in text.splitlines())]


def _difference_lines(found: PlanDifference, *, full: bool) -> list[str]:
    told = [line for each in found.added for line in _planned_lines("+ ", each, full=full)]
    told += [f"  - {_planned_line(line)}" for line in found.removed]
    for line in found.rewired:
        told.append(f"  ~ {line.name}: after {_all_of(line.after)}, before that after {_all_of(line.before)}")
    return told or ["  no difference"]


def _planned_line(line: PlannedLine) -> str:
    phase = f", phase {line.order_index}" if line.order_index else ""
    after = f" after {_all_of(line.depends_on)}" if line.depends_on else ""
    return f"{line.name}{after}{phase}  ({line.status})"


def _all_of(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def stat_lines(change: CommitRange) -> list[str]:
    """`+12 -3  src/login.py`, and the sum."""
    told = []
    for file in change.files:
        counted = "binary" if file.added is None else f"+{file.added} -{file.removed}"
        told.append(f"{counted:>12}  {file.path}")
    added, removed = sum(each.added or 0 for each in change.files), sum(each.removed or 0 for each in change.files)
    return [*told, f"{len(change.files)} files, +{added} -{removed}, {change.base[:10]}..{change.head[:10]}"]


def _heads(state: State) -> set[str]:
    return {step.work.head for step in state.steps.values() if step.work}


def _drawn(steps: Sequence[StepView], format_: GraphFormat, title: str) -> str:
    from cli.operator import drawing, graph_svg

    match format_:
        case GraphFormat.TEXT:
            return "\n".join(line.plain for line in drawing.lanes(steps))
        case GraphFormat.MERMAID:
            return drawing.mermaid(steps)
        case GraphFormat.SVG:
            return graph_svg.svg(steps, title)


def _print_lanes(steps: Sequence[StepView]) -> None:
    """In colour and cut to the terminal's width, plain and whole elsewhere."""
    from cli.operator import drawing

    terminal = console()
    for line in drawing.lanes(steps):
        if terminal.is_terminal:
            line.truncate(terminal.width, overflow="ellipsis")
            terminal.print(line, no_wrap=True)
        else:
            typer.echo(line.plain)


PATCH_STYLES = {"diff ": "bold", "+++": "bold", "---": "bold", "@@": "cyan", "+": "green", "-": "red"}
"""How a line of a patch begins → its style, the first that fits. Ours: git's own colours can't be told from those that
a file holds."""


def _print_patch(patch: str) -> None:
    terminal = console()
    if not terminal.is_terminal:
        typer.echo(patch, nl=False)
        return
    from rich.text import Text

    for line in patch.removesuffix("\n").split("\n"):
        style = next((style for begin, style in PATCH_STYLES.items() if line.startswith(begin)), "")
        terminal.print(Text(visible(line), style), soft_wrap=True)
