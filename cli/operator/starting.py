"""`start` and `create`: a new directive, begun or as a draft (rule 2.1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from inspect import getdoc
from typing import Annotated

import typer

from cli.operator.agreeing import somebody_is_there
from cli.operator.command_group import Commands, Json, RequestId
from cli.operator.printing import print_json, print_lines
from cli.operator.signatures import with_parameters_of
from cli.operator.start_options import start_options, typed_in
from cli.operator.watching import exit_code, print_changes, silence, until_rest
from cli.operator.written_goal import written_goal
from domain.errors import Refused
from domain.intake.issue import IssueRead
from domain.start_defaults import DefaultsFrom
from domain.visible import visible
from steering.from_issue import not_agreed
from steering.new_directive import StartOptions
from steering.shapes import StartedShown, status_shown
from steering.standing import Standing
from steering.start_checks import daemons_known

SHOWN = 2000
"""Characters of a text that somebody else has written, before you are asked."""
Wait = Annotated[bool, typer.Option("--wait", help="Return when it is idle, paused, completed, failed or archived.")]


class StartCommands(Commands):
    """The commands that take everything a directive is started with."""

    def add_to(self, app: typer.Typer) -> None:
        for command in (self.start, self.create):
            app.command(command.__name__, help=getdoc(command))(with_parameters_of(command, "options", start_options))

    def start(
        self,
        context: typer.Context,
        options: Callable[[], StartOptions],
        wait: Wait = False,
        request_id: RequestId = None,
        as_json: Json = False,
    ) -> None:
        """Start a directive: a goal for a repository, planned, done and merged into one branch.

        Example: starter.py start --title "Add login" --goal "Users can log in" --repo . --planner claude --agent claude
        """
        self.run(self._start(options(), typed_in(context), request_id, begin=True, wait=wait, as_json=as_json))

    def create(
        self,
        context: typer.Context,
        options: Callable[[], StartOptions],
        request_id: RequestId = None,
        as_json: Json = False,
    ) -> None:
        """Make a draft of a directive, which does nothing until `begin`.

        Example: starter.py create --title "Add login" --goal "Users can log in" --repo . --plan plan.json
        """
        self.run(self._start(options(), typed_in(context), request_id, begin=False, wait=False, as_json=as_json))

    async def _start(
        self,
        options: StartOptions,
        typed: frozenset[str],
        request_id: str | None,
        *,
        begin: bool,
        wait: bool,
        as_json: bool,
    ) -> int:
        client = self.client
        filled = await client.filled(options, typed)
        async with AsyncExitStack() as exits:
            written = exits.enter_context(written_goal(filled.options, os.environ))
            filled = replace(filled, options=written.options)
            prepared = await client.prepared(filled, begin=begin, agree=read_and_agree)
            directives = await exits.enter_async_context(client.directives())
            started = await client.launched(directives, prepared, begin=begin, request_id=request_id)
            written.taken = True
            if not (wait and as_json):  # then one object at the end says it all
                self._print(started, "started" if begin else "created", as_json=as_json)
            if not wait:
                await directives.until_known(started.id)
                return 0
            look_now = partial(directives.look_at, started.id)
            look = await until_rest(look_now, silence if as_json else print_changes)
            if as_json:
                daemons = await daemons_known(directives)
                print_json(status_shown(Standing(look, daemons, started.web_ui)))
        return exit_code(look)

    def _print(self, started: StartedShown, what: str, *, as_json: bool) -> None:
        if as_json:
            print_json(started)
        else:
            notes = [f"sandbox: {note}" for note in started.sandbox]
            notes += defaults_told(started.defaults, started.defaults_unread)
            print_lines([f"{what} {started.id}  {started.web_ui or started.workflow_id}", *notes])


def defaults_told(defaults: Sequence[DefaultsFrom], unread: str) -> list[str]:
    """Which options nobody has typed, and who has said them; of a repository whose own were not read, why."""
    told = [f"defaults: {visible('; '.join(map(str, defaults)))}"] if defaults else []
    return [*told, f"defaults of the repository's .makima.toml were not read: {unread}"] if unread else told


def read_and_agree(what: str, issue: IssueRead) -> None:
    """Its text is somebody's who may not write: you have to have read what you make a goal of."""
    if not somebody_is_there():
        not_agreed(what, issue)
    text = visible(issue.text)
    cut = "\n…" if len(text) > SHOWN else ""
    print_lines([f"{visible(issue.title)}\n\n{text[:SHOWN]}{cut}\n"], err=True)
    if not typer.confirm(f"{what}. Make it the goal as it is here?", err=True):
        raise Refused("nothing was started")
