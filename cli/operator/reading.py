"""The commands that only read: where directives stand, what they have left, who works on them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cli.operator import text_lines
from cli.operator.command_group import Commands, Id, Json, OptionalId, Raw
from cli.operator.printing import print_json, print_lines, print_raw
from domain import names
from domain.errors import Refused
from steering.recorded import RecordedDirectives

if TYPE_CHECKING:
    from cli.operator.log_lines import LogPrinter
    from domain.models import State, Task
    from steering.following import TaskReader

# The shapes of --json take a twentieth of a command's start to build: imported where they are printed.


class ReadingCommands(Commands):
    """Each one reads its arguments, looks, prints lines or JSON."""

    def add_to(self, app: typer.Typer) -> None:
        for command in (
            self.status,
            self.logs,
            self.questions,
            self.body,
            self.memory,
            self.artifacts,
            self.daemons,
        ):
            app.command(command.__name__)(command)

    def status(self, directive: Id, as_json: Json = False) -> None:
        """Show where a directive stands, what it waits for, and what it asks.

        Example: starter.py status 3f2a --json
        """
        self.run(self._status(directive, as_json=as_json))

    async def _status(self, reference: str, *, as_json: bool) -> int:
        if as_json:
            print_json(await self.looking.status(reference))
        else:
            print_lines(text_lines.status_lines(await self.opened.standing(reference)))
        return 0

    def logs(
        self,
        directive: Id,
        step: Annotated[str | None, typer.Argument(help="A step's name or id.")] = None,
        follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until all of it has been printed.")] = False,
        times: Annotated[bool, typer.Option("--times", "-t", help="Begin each line with when it was written.")] = False,
        raw: Raw = False,
        as_json: Json = False,
    ) -> None:
        """Print a step's log, of all its attempts and deliveries in order; without a step, those of planning and
        completion, with -f of all.

        Example: starter.py logs 3f2a "Session store" -f -t
        """
        if follow:
            self.run(self._follow_logs(directive, step, raw=raw, times=times, as_json=as_json))
        else:
            self.run(self._logs(directive, step, raw=raw, times=times, as_json=as_json))

    async def _follow_logs(self, reference: str, step: str | None, *, raw: bool, times: bool, as_json: bool) -> int:
        from cli.operator.log_lines import JsonPrinter, LogPrinter
        from steering.following import follow, tasks_of

        async with self.recorded() as directives:
            silent: dict[str, timedelta] = {}

            async def look() -> State:
                silent.update(await _silent(directives))
                return await directives.state(reference)

            choose = partial(tasks_of, step=step) if step else lambda state: tuple(state.tasks.values())
            sink = JsonPrinter() if as_json else LogPrinter(silent, raw=raw, times=times)
            await follow(directives.record, look, choose, sink)
        return 0

    async def _logs(self, reference: str, step: str | None, *, raw: bool, times: bool, as_json: bool) -> int:
        if as_json:
            print_json(await self.looking.logs(reference, step))
            return 0
        from cli.operator.log_lines import LogPrinter
        from steering.following import TaskReader, tasks_of

        async with self.recorded() as directives:
            state = await directives.state(reference)
            printer = LogPrinter(await _silent(directives), raw=raw, times=times)
            for task in tasks_of(state, step):
                await _print_whole(task, TaskReader(directives.record, state.directive.id, task.id), printer)
        return 0

    def questions(self, directive: OptionalId = None, as_json: Json = False) -> None:
        """List the open questions of agents to people.

        Example: starter.py questions 3f2a
        """
        self.run(self._questions(directive, as_json=as_json))

    async def _questions(self, reference: str | None, *, as_json: bool) -> int:
        asked = await self.looking.questions(reference)
        if as_json:
            print_json(asked)
        else:
            told = ((each, names.short(each.directive)) for each in asked.questions)
            print_lines(line for each, whose in told for line in text_lines.question_lines(each, whose))
        return 0

    def body(self, directive: Id, as_json: Json = False) -> None:
        """Print the description that the next completion gives to the pull request, as markdown.

        Example: starter.py body 3f2a
        """
        self.run(self._body(directive, as_json=as_json))

    async def _body(self, reference: str, *, as_json: bool) -> int:
        from domain.pull_requests.body import body
        from domain.pull_requests.shipping import unshipped

        async with self.recorded() as directives:
            state = await directives.state(reference)
        text = body(state, unshipped(state))
        if as_json:
            from cli.operator import json_shapes

            print_json(json_shapes.BodyShown(body=text))
        else:
            typer.echo(text)
        return 0

    def memory(
        self,
        directive: Id,
        key: Annotated[str | None, typer.Argument(help="Print what this key holds, and nothing else.")] = None,
        as_json: Json = False,
    ) -> None:
        """Show what is remembered for a directive's agents; `memory-set` and `memory-delete` change it.

        Example: starter.py memory 3f2a test-command
        """
        self.run(self._memory(directive, key, as_json=as_json))

    async def _memory(self, reference: str, key: str | None, *, as_json: bool) -> int:
        async with self.recorded() as directives:
            memories = (await directives.state(reference)).memories
        if key is not None and key not in memories:
            raise Refused(f"there is no memory {key!r}; `starter.py memory {reference}` lists them")
        wanted = [memories[key]] if key is not None else list(memories.values())
        if as_json:
            from cli.operator import json_shapes

            print_json(json_shapes.MemoryShown(memories=tuple(wanted)))
        elif key is not None:
            typer.echo(wanted[0].value)
        else:
            print_lines(line for each in wanted for line in text_lines.memory_lines(each))
        return 0

    def artifacts(
        self,
        directive: Id,
        name: Annotated[str | None, typer.Argument(help="Print the latest file of this name.")] = None,
        raw: Raw = False,
        as_json: Json = False,
    ) -> None:
        """List the files that a directive's tasks have handed over, the latest first, or print one.

        Example: starter.py artifacts 3f2a report.md
        """
        self.run(self._artifacts(directive, name, raw=raw, as_json=as_json))

    async def _artifacts(self, reference: str, name: str | None, *, raw: bool, as_json: bool) -> int:
        from cli.operator import json_shapes

        async with self.recorded() as directives:
            whose = (await directives.find(reference)).id
            if name is None:
                found = await directives.record.artifacts(whose)
                lines = [f"{each.name}  {each.size} bytes, {each.put_at:%Y-%m-%d %H:%M:%S}" for each in found]
                shown: json_shapes.ArtifactsShown | json_shapes.ArtifactShown
                shown = json_shapes.ArtifactsShown(artifacts=tuple(found))
            else:
                text = await directives.record.artifact(whose, name)
                if text is None:
                    raise Refused(f"there is no artifact {name!r}; `starter.py artifacts {reference}` lists them")
                lines, shown = [text], json_shapes.ArtifactShown(name=name, content=text)
        if as_json:
            print_json(shown)
        elif raw and name is not None:
            print_raw("".join(lines))
        else:
            print_lines(lines)
        return 0

    def daemons(self, as_json: Json = False) -> None:
        """List the owner's daemons: agents, capacity, free slots, what they run, when they were last heard.

        Example: starter.py daemons
        """
        self.run(self._daemons(as_json=as_json))

    async def _daemons(self, *, as_json: bool) -> int:
        async with self.connections.record() as record:
            found = await record.daemons(self.connections.owner)
        if as_json:
            from cli.operator import json_shapes

            print_json(json_shapes.DaemonsShown(daemons=tuple(found)))
        else:
            widest = max((len(each.name) for each in found), default=0)
            print_lines(text_lines.daemon_line(each, widest) for each in found)
        return 0


async def _print_whole(task: Task, reader: TaskReader, printer: LogPrinter) -> None:
    is_empty = True
    async for delivery, pieces in reader.news():
        is_empty = False
        printer.print_header(task, delivery)
        for piece in pieces:
            printer.take(task, delivery, piece)
    if is_empty:
        printer.empty(task)


async def _silent(directives: RecordedDirectives) -> dict[str, timedelta]:
    return {each.name: each.silent_for for each in await directives.record.daemons(directives.owner)}
