"""`start` and `create`: a new directive, begun or as a draft (rule 2.1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from inspect import getdoc
from typing import Annotated

import typer

from cli.operator.command_group import Commands, Json
from cli.operator.from_issue import of_issue, refuse_known, with_issue
from cli.operator.json_shapes import StartedShown, status_shown
from cli.operator.launching import launch
from cli.operator.new_directive import StartOptions, new_directive, placed
from cli.operator.printing import print_json, print_lines
from cli.operator.signatures import with_parameters_of
from cli.operator.start_checks import checked, daemons_known
from cli.operator.start_options import like, with_defaults, with_written_goal
from cli.operator.text_lines import sandbox_notes
from cli.operator.watching import exit_code, print_changes, silence, until_rest
from domain.models import State

Wait = Annotated[bool, typer.Option("--wait", help="Return when it is idle, paused, completed, failed or archived.")]


class StartCommands(Commands):
    """The commands that take everything a directive is started with."""

    def add_to(self, app: typer.Typer) -> None:
        for command in (self.start, self.create):
            app.command(command.__name__, help=getdoc(command))(with_parameters_of(command, "options", StartOptions))

    def start(self, options: Callable[[], StartOptions], wait: Wait = False, as_json: Json = False) -> None:
        """Start a directive: a goal for a repository, planned, done and merged into one branch.

        Example: starter.py start --title "Add login" --goal "Users can log in" --repo . --planner claude --agent claude
        """
        self.run(self._start(options(), begin=True, wait=wait, as_json=as_json))

    def create(self, options: Callable[[], StartOptions], as_json: Json = False) -> None:
        """Make a draft of a directive, which does nothing until `begin`.

        Example: starter.py create --title "Add login" --goal "Users can log in" --repo . --plan plan.json
        """
        self.run(self._start(options(), begin=False, wait=False, as_json=as_json))

    async def _start(self, options: StartOptions, *, begin: bool, wait: bool, as_json: bool) -> int:
        if options.like:
            async with self.directives() as directives:
                options = like(options, (await directives.state(options.like)).directive)
        options = with_written_goal(with_defaults(options, self.connections.config), os.environ)
        issue = options.issue
        if issue:
            options = await with_issue(options, await self.connections.temporal(), self.connections.owner)
        draft = new_directive(options, self.connections.owner)
        if issue:
            draft = of_issue(draft, issue)
        async with self.directives() as directives:
            if begin and not options.wait_for_daemon:
                state, daemons = await checked(directives, draft)
            else:
                daemons = await daemons_known(directives)
                state = placed(draft, daemons)
            if issue:
                await refuse_known(directives, state, issue)
            workflow = await launch(directives, state, begin=begin, once=bool(issue))
            if not (wait and as_json):  # then one object at the end says it all
                notes = sandbox_notes(daemons)
                self._print(state, workflow, "started" if begin else "created", notes, as_json=as_json)
            if not wait:
                await directives.until_known(state.directive.id)
                return 0
            look_now = partial(directives.look_at, state.directive.id)
            look = await until_rest(look_now, silence if as_json else print_changes)
            if as_json:
                print_json(status_shown(look, await daemons_known(directives), self.page(workflow)))
        return exit_code(look)

    def _print(self, state: State, workflow: str, what: str, notes: Sequence[str], *, as_json: bool) -> None:
        page = self.page(workflow)
        if as_json:
            title = state.directive.text.title
            sandbox = tuple(notes)
            print_json(
                StartedShown(id=state.directive.id, workflow_id=workflow, title=title, web_ui=page, sandbox=sandbox)
            )
        else:
            print_lines([f"{what} {state.directive.id}  {page or workflow}", *(f"sandbox: {note}" for note in notes)])
