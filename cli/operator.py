"""The operator's commands (SPEC 9.3): each one reads its arguments, calls, prints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import show
from cli.connections import Connections, Record
from cli.directives import Directives, Shown
from cli.new_directive import StartOptions, new_directive
from domain import names
from domain.errors import NotReachable, Refused
from domain.models import DirectiveStatus, StepStatus
from domain.operations import Answer, Archive, ChangeGoal, Resume
from domain.view import DirectiveView
from workflows.directive import DirectiveWorkflow

LOOK_EVERY = 0.5
"""Seconds between two looks of `watch` and `--wait`."""

RESTING = (DirectiveStatus.IDLE, DirectiveStatus.PAUSED)
AGENTS_DEFAULT = "shell"

Run = Callable[[Coroutine[Any, Any, int]], None]

Id = Annotated[str, typer.Argument(help="A directive's id, a unique beginning of it, or its workflow's name.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object in place of lines.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it is idle, paused, completed, failed or archived.")]


class OperatorCommands:
    """The commands of starter.py over the connections that it hands in."""

    def __init__(self, connections: Connections, run: Run) -> None:
        self._connections = connections
        self._run = run

    def add_to(self, app: typer.Typer) -> None:
        """Make them commands of `app`, under the names of SPEC 9.3."""
        app.command("list")(self.list_all)
        for command in (
            self.start,
            self.status,
            self.watch,
            self.logs,
            self.goal,
            self.resume,
            self.archive,
        ):
            app.command(command.__name__)(command)

    def start(
        self,
        title: Annotated[str, typer.Option(help="A short name for the goal.")],
        goal: Annotated[str, typer.Option(help="What shall be true when it is done.")],
        repo: Annotated[str, typer.Option(help="A git URL, or the path of a repository on the daemon's machine.")],
        base_branch: Annotated[str, typer.Option(help="Where the work starts, and where it shall be merged.")] = "main",
        requirement: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
        acceptance: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
        constraint: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
        agent: Annotated[str, typer.Option(help="The daemon's agent that does the steps.")] = AGENTS_DEFAULT,
        planner: Annotated[str | None, typer.Option(help="The daemon's agent that makes the plan.")] = None,
        plan: Annotated[Path | None, typer.Option(help="A chain plan document in place of a planner.")] = None,
        once: Annotated[bool, typer.Option("--once", help="Complete or fail in place of becoming idle.")] = False,
        max_parallel: Annotated[int, typer.Option(help="How many steps may be in flight.")] = 8,
        max_attempts: Annotated[int, typer.Option(help="How often an agent may try a step.")] = 2,
        timings: Annotated[str, typer.Option(help="normal, or fast for tests.")] = "normal",
        wait: Wait = False,
        as_json: Json = False,
    ) -> None:
        """Start a directive: a goal for a repository, planned, done and merged into one branch.

        Example: starter.py start --title "Add login" --goal "Users can log in" --repo . --planner claude --agent claude
        """
        options = StartOptions(
            title=title,
            goal=goal,
            repo=repo,
            base_branch=base_branch,
            requirements=tuple(requirement or ()),
            acceptance=tuple(acceptance or ()),
            constraints=tuple(constraint or ()),
            agent=agent,
            planner=planner,
            plan=plan,
            once=once,
            max_parallel=max_parallel,
            max_attempts=max_attempts,
            timings=timings,
        )
        self._run(self._start(options, wait=wait, as_json=as_json))

    async def _start(self, options: StartOptions, *, wait: bool, as_json: bool) -> int:
        directive, plan = new_directive(options, self._connections.owner)
        async with self._directives() as (directives, record):
            workflow = await directives.start(directive, plan)
            if not as_json:
                typer.echo(f"started {directive.id}  {self._page(workflow) or workflow}")
            if wait:
                return await self._wait(directives, record, str(directive.id), as_json=as_json)
            if as_json:
                started = {"id": str(directive.id), "workflow_id": workflow, "title": directive.text.title}
                typer.echo(json.dumps({**started, "web_ui": self._page(workflow)}))
        return 0

    def status(self, directive: Id, as_json: Json = False) -> None:
        """Show where a directive stands."""
        self._run(self._status(directive, as_json=as_json))

    async def _status(self, reference: str, *, as_json: bool) -> int:
        async with self._directives() as (directives, record):
            await self._print(await directives.show(reference), record, as_json=as_json)
        return 0

    def list_all(self, as_json: Json = False) -> None:
        """List the owner's directives, the newest first."""
        self._run(self._list_all(as_json=as_json))

    async def _list_all(self, *, as_json: bool) -> int:
        async with self._connections.record() as record:
            directives = await record.directives(self._connections.owner)
        if as_json:
            typer.echo(json.dumps({"directives": [each.model_dump(mode="json") for each in directives]}))
        for each in () if as_json else directives:
            typer.echo(show.list_line(each))
        return 0

    def watch(self, directive: Id) -> None:
        """Print a line for every change until the directive rests or is closed."""
        self._run(self._watch(directive))

    async def _watch(self, reference: str) -> int:
        async with self._directives() as (directives, record):
            shown = await self._until_rest(directives, reference, _say)
            note = show.no_daemon_note(shown, await record.daemons(self._connections.owner))
            typer.echo(note or f"{shown.title}: {shown.status}")
        return _exit_code(shown)

    def logs(
        self, directive: Id, step: Annotated[str | None, typer.Argument(help="A step's name or id.")] = None
    ) -> None:
        """Print the log of a step's latest attempt; without a step, those of planning and completion."""
        self._run(self._logs(directive, step))

    async def _logs(self, reference: str, step: str | None) -> int:
        async with self._directives() as (directives, record):
            _, identity = await directives.find(reference)
            state = await record.state(identity) if identity else None
            if state is None:
                raise Refused(f"nothing is recorded of {reference!r} yet")
            if step is None:
                tasks = [task for task in state.tasks.values() if task.step is None]
            else:
                wanted = [each for each in state.ordered_steps() if step in (each.name, str(each.id))]
                if not wanted:
                    raise Refused(f"there is no step {step!r}; `starter.py status {reference}` lists them")
                tasks = [task for task in state.tasks.values() if task.id == names.step_task(wanted[-1].id)]
            for task in tasks:
                typer.echo(f"--- {task.name} ({task.status}, attempt {task.attempt})")
                typer.echo(await record.logs(task.id), nl=False)
        return 0

    def goal(self, directive: Id, goal: Annotated[str, typer.Argument(help="The new goal.")]) -> None:
        """Change the goal of a running directive: it is planned again while running steps go on."""
        self._run(self._ask(directive, DirectiveWorkflow.change_goal, lambda: ChangeGoal(goal=goal)))

    def resume(self, directive: Id) -> None:
        """Go on after a pause."""
        self._run(self._ask(directive, DirectiveWorkflow.resume, Resume))

    def archive(self, directive: Id, yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False) -> None:
        """Close a directive for good: what runs is cancelled."""
        if not yes:
            typer.confirm(f"Archive {directive}? What runs is cancelled", abort=True)
        self._run(self._ask(directive, DirectiveWorkflow.archive, Archive))

    async def _ask(self, reference: str, update: Any, request: Callable[[], Any]) -> int:
        async with self._directives() as (directives, _):
            answer: Answer = await directives.ask(reference, update, request())
        typer.echo(f"{answer.status}, generation {answer.generation}")
        return 0

    async def _wait(self, directives: Directives, record: Record, reference: str, *, as_json: bool) -> int:
        shown = await self._until_rest(directives, reference, _silence if as_json else _say)
        if as_json:
            await self._print(Shown(directive=shown, live=True), record, as_json=True)
        return _exit_code(shown)

    async def _until_rest(
        self, directives: Directives, reference: str, say: Callable[[list[str]], object]
    ) -> DirectiveView:
        """Look until the directive rests or is closed, telling every change."""
        before: DirectiveView | None = None
        while True:
            try:
                shown = await directives.show(reference)
            except NotReachable:
                await asyncio.sleep(LOOK_EVERY)  # started a moment ago, or its worker is being started again
                continue
            say(show.changes(before, shown.directive))
            before = shown.directive
            if shown.live and (before.status.is_final or before.status in RESTING):
                return before
            await asyncio.sleep(LOOK_EVERY)

    async def _print(self, shown: Shown, record: Record, *, as_json: bool) -> None:
        daemons = await record.daemons(self._connections.owner)
        page = self._page(shown.directive.workflow_id)
        if as_json:
            seen = [daemon.model_dump(mode="json") for daemon in daemons]
            note = show.no_daemon_note(shown.directive, daemons)
            extra = {"live": shown.live, "web_ui": page, "daemons": seen, "waiting": note}
            typer.echo(json.dumps({**shown.directive.model_dump(mode="json"), **extra}))
        else:
            typer.echo("\n".join(show.status_lines(shown.directive, live=shown.live, daemons=daemons, web_ui=page)))

    def _page(self, workflow: str) -> str | None:
        web_ui = self._connections.web_ui
        return f"{web_ui}/namespaces/default/workflows/{workflow}" if web_ui else None

    @asynccontextmanager
    async def _directives(self) -> AsyncIterator[tuple[Directives, Record]]:
        client = await self._connections.temporal()
        async with self._connections.record() as record:
            yield Directives(client, record, self._connections.owner), record


def _say(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)


def _silence(lines: list[str]) -> None:
    """For a caller that prints one JSON object at the end."""


def _exit_code(shown: DirectiveView) -> int:
    """0 for a directive that rests with nothing wrong, 1 for one that paused or failed (SPEC 9.3)."""
    if shown.status in (DirectiveStatus.PAUSED, DirectiveStatus.FAILED):
        return 1
    unfinished = any(step.status in (StepStatus.FAILED, StepStatus.BLOCKED) for step in shown.steps)
    return 1 if shown.status is DirectiveStatus.IDLE and unfinished else 0
