"""From the options of `edit`, which are named as those of `start`, to a typed request (rule 8.2)."""

from __future__ import annotations

from typing import Annotated

import typer

from domain.directive_settings import Completion
from domain.errors import Refused
from domain.requests import EditDirective

Commands = Annotated[list[str] | None, typer.Option(help='In place of all before; more than once, or "" for none.')]


def edit(
    base_branch: Annotated[
        str | None, typer.Option(help="Where the work starts, and where it is merged; an open pull request follows.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="The daemon's agent that does the steps.")] = None,
    planner: Annotated[str | None, typer.Option(help="The daemon's agent that makes the plans.")] = None,
    fixer: Annotated[str | None, typer.Option(help='The agent that mends its pull request; "": none.')] = None,
    on: Annotated[str | None, typer.Option(help="The only daemon that may serve it; 'any': every one.")] = None,
    label: Annotated[str | None, typer.Option(help='Only daemons with it may serve it; "": all.')] = None,
    setup: Commands = None,
    verify: Commands = None,
    max_parallel: Annotated[int | None, typer.Option(help="How many steps may be in flight.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="How often an agent may try a step.")] = None,
    max_turns: Annotated[int | None, typer.Option(help="Turns that an agent may take for a step; 0: no limit.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="What an agent may cost for a step, in USD; 0: no limit.")
    ] = None,
    completion: Annotated[
        Completion | None, typer.Option(help="Ship what is done though other steps failed, or wait for all.")
    ] = None,
    require_approval: Annotated[
        bool | None, typer.Option("--require-approval/--no-require-approval", help="Hold every plan until `approve`.")
    ] = None,
    memory: Annotated[bool | None, typer.Option("--memory/--no-memory", help="Let its agents remember things.")] = None,
    shepherd: Annotated[
        bool | None, typer.Option("--shepherd/--no-shepherd", help="Look after the pull request once it is open.")
    ] = None,
    shepherd_rounds: Annotated[int | None, typer.Option(help="Rounds of fixes before you are asked.")] = None,
    branch_prefix: Annotated[
        str | None, typer.Option(help='What its next branches begin with; "": as its repository says.')
    ] = None,
    keep_branches: Annotated[
        bool | None, typer.Option("--keep-branches/--no-keep-branches", help="Leave merged branches on the remote.")
    ] = None,
) -> EditDirective:
    """Change how a directive is run, at any time; its next tasks are run so, what runs keeps what it has.

    Example: starter.py edit 3f2a --agent claude --verify "make test"
    """
    request = EditDirective(
        base_branch=base_branch,
        agent=agent,
        planner=planner,
        fixer=fixer,
        on=on,
        label=label,
        setup=_lines(setup),
        verify=_lines(verify),
        max_parallel_steps=max_parallel,
        max_attempts=max_attempts,
        max_turns=max_turns,
        max_cost_usd=max_cost,
        completion=completion,
        require_approval=require_approval,
        memory=memory,
        shepherd=shepherd,
        shepherd_rounds=shepherd_rounds,
        branch_prefix=branch_prefix,
        keep_branches=keep_branches,
    )
    if request == EditDirective():
        raise Refused("nothing to edit: `starter.py edit --help` lists what can be changed")
    return request


def _lines(typed: list[str] | None) -> tuple[str, ...] | None:
    return None if typed is None else tuple(line for line in typed if line.strip())
