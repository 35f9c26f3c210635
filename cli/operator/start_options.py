"""The options of `start` as they are typed: each is a field of StartOptions, whose description is its help."""

from __future__ import annotations

from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_args

import typer

from steering.new_directive import StartOptions

SPELLED = {"max_parallel_steps": "--max-parallel", "max_cost_usd": "--max-cost"}
SHOWN_AS = {
    "issue": "URL",
    "like": "ID",
    "goal_file": "FILE",
    "agents": "NAMES",
    "step_agent": "NAME[:MODEL]",
    "fallback_after": "MINUTES",
    "closes": "ISSUE",
    "pr_label": "NAME",
    "reviewer": "LOGIN",
    "assignee": "LOGIN",
    "milestone": "TITLE",
    "draft": "POLICY",
    "auto_merge": "METHOD",
}
"""Field → what its help calls the value."""


def typed_in(context: typer.Context) -> frozenset[str]:
    """The options that were typed, also those whose value is what counts anyway."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return frozenset(name for name, source in sources.items() if source and source.name == "COMMANDLINE")


def start_options(**typed: Any) -> StartOptions:
    return StartOptions(**typed)


def _typed(field: Parameter) -> Parameter:
    kind, about = get_args(field.annotation)
    words = [SPELLED[field.name]] if field.name in SPELLED else []
    if kind is bool:
        flag = field.name.replace("_", "-")
        words = [f"--{flag}/--no-{flag}" if field.default else f"--{flag}"]
    option = typer.Option(*words, help=about.description, metavar=SHOWN_AS.get(field.name))
    return field.replace(annotation=Annotated[kind, option])


PARAMETERS = tuple(_typed(each) for each in signature(StartOptions, eval_str=True).parameters.values())
start_options.__signature__ = Signature(PARAMETERS, return_annotation=StartOptions)  # type: ignore[attr-defined]
