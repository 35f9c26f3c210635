"""The options of `edit`: those of `start` for what may be changed later (rule 8.2)."""

from __future__ import annotations

from copy import copy
from inspect import Parameter, Signature
from typing import Annotated, Any, get_args

import typer
from pydantic import ValidationError

from cli.operator.start_options import PARAMETERS
from domain.errors import Refused
from domain.problems import first_problem
from domain.requests import EditDirective
from steering.new_directive import in_minutes

HELP = {
    "base_branch": "Where the work starts, and where it is merged; an open pull request follows.",
    "agents": "Agents for plans and steps, where neither --planner nor --agent names its own: a,b.",
    "step_agent": 'In place of all before: a plan may give this to a step; more than once, or "" for none.',
    "agent": "The agent that does the steps from now on, or a list: a,b.",
    "fixer": 'The agent that mends its pull request, or a list; "": none of its own.',
    "resolver": 'The agent for conflicts of the merge, or a list; "": the one that does the steps.',
    "on": "The only daemon that may serve it; 'any': every one.",
    "label": 'Only daemons with it may serve it; "": all.',
    "setup": 'In place of all before; more than once, or "" for none.',
    "verify": 'In place of all before; more than once, or "" for none.',
    "shepherd": "Look after the pull request once it is open.",
    "shepherd_rounds": "Rounds of fixes before you are asked.",
    "budget": "In place of the one before, from the directive's beginning on; none takes it away.",
    "branch_prefix": 'What its next branches begin with; "": as its repository says.',
}
"""Where an option means something else, or more, for a directive that is there."""
OPTION = {"step_agents": "step_agent"}
"""Setting → the option that names one of it."""


def edit(**typed: Any) -> EditDirective:
    """Change how a directive is run, at any time; its next tasks are run so, what runs keeps what it has.

    Example: starter.py edit 3f2a --agent claude --verify "make test"
    """
    lists = {name: _lines(typed.pop(OPTION.get(name, name))) for name in ("setup", "verify", "step_agents")}
    after = typed["fallback_after"]
    minutes = {"fallback_after": None if after is None else in_minutes(after)}
    try:
        request = EditDirective(**{**typed, **lists, **minutes})
    except ValidationError as error:
        raise Refused(first_problem(error)) from error
    if request == EditDirective():
        raise Refused("nothing to edit: `starter.py edit --help` lists what can be changed")
    return request


def _lines(typed: list[str] | None) -> tuple[str, ...] | None:
    return None if typed is None else tuple(line for line in typed if line.strip())


def _parameters() -> list[Parameter]:
    of_start = {each.name: each.annotation for each in PARAMETERS}
    settings = (OPTION.get(name, name) for name in EditDirective.model_fields)
    names = [name for name in settings if name in of_start]
    options = {name: _left_out(name, *get_args(of_start[name])) for name in names}
    return [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=options[name]) for name in names]


def _left_out(name: str, kind: Any, option: Any) -> Any:
    """The option of `start`, but that leaving it out leaves the setting as it is."""
    help_ = HELP.get(name, option.help)
    if kind is bool:
        flag = name.replace("_", "-")
        return Annotated[bool | None, typer.Option(f"--{flag}/--no-{flag}", help=help_)]
    mine = copy(option)
    mine.help = help_
    return Annotated[kind | None, mine]


edit.__signature__ = Signature(_parameters(), return_annotation=EditDirective)  # type: ignore[attr-defined]
