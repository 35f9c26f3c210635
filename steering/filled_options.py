"""What `start` takes where nothing was typed: another directive's options, your defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from domain.budget import Budget
from domain.directive_settings import AgentChoice
from domain.documents import read_toml
from domain.errors import DocumentBroken, Refused
from domain.models import Directive
from domain.opening_choice import OpeningChoice
from domain.problems import first_problem
from domain.start_defaults import DefaultsFrom, StartDefaults
from domain.timings import Timings
from domain.toml_problems import nearest
from steering.given_files import read_given
from steering.new_directive import StartOptions
from steering.opening_options import options_of

LARGEST = 64 * 1024
OF_ONE = (
    "title",
    "goal",
    "goal_file",
    "edit",
    "issue",
    "yes",
    "like",
    "plan",
    "closes",
    "wait_for_daemon",
    "auto_merge",
)
"""What belongs to one directive, and to no default: that its pull request is merged is typed for each."""
LIMITS = ("max_parallel_steps", "max_attempts", "shepherd_rounds", "max_turns", "max_cost_usd", "budget")
_ALIKE = (
    *("on", "label", "once", "fail_fast", "completion", "require_approval", "memory", "pull_request", "shepherd"),
    *("shepherd_rounds", "branch_prefix", "keep_branches", "max_parallel_steps", "max_attempts", "max_turns"),
    "max_cost_usd",
)
"""Options that are a setting of the same name."""


@dataclass(frozen=True)
class Filled:
    """Options, and who has said them."""

    options: StartOptions
    said: frozenset[str] = frozenset()
    """Typed, or another directive's: no default changes them."""
    defaults: tuple[DefaultsFrom, ...] = ()
    unread: str = ""
    """Why the repository's own defaults are not among them; empty: they are, or there are none."""


def like(options: StartOptions, directive: Directive) -> StartOptions:
    """The options, and those of another directive for all that was not typed."""
    return _filled(options, _options_of(directive))


def with_own_defaults(options: StartOptions, file: Path, typed: frozenset[str] = frozenset()) -> Filled:
    """The options with those of your own file. `typed`: what was, also where it is as if it had not been."""
    said = _said(options) | typed
    filled = with_defaults(options, file, typed)
    taken = _changed(options, filled)
    return Filled(filled, said, (DefaultsFrom(source=_shortened(file), options=taken),) if taken else ())


def with_repositorys(filled: Filled, said: StartDefaults, source: str) -> Filled:
    """The options, and what the repository says for all that nobody has said; of limits the tighter one counts, unless
    it was typed. Approval it may only ask for.
    """
    own = _said(filled.options) | filled.said
    limits = {name: value for name, value in said.said.items() if name in LIMITS and name not in filled.said}
    others = {name: value for name, value in said.said.items() if name not in LIMITS and name not in own}
    tighter = {name: _tighter(name, getattr(filled.options, name), value) for name, value in limits.items()}
    options = replace(filled.options, **others, **tighter)
    taken = _changed(filled.options, options)
    told = (*filled.defaults, DefaultsFrom(source=source, options=taken)) if taken else filled.defaults
    return replace(filled, options=options, defaults=told)


def with_defaults(options: StartOptions, file: Path, typed: frozenset[str] = frozenset()) -> StartOptions:
    """The options, and the `[start]` table of a file for all that was not typed; Refused where it can't be read."""
    if not file.exists():
        return options
    try:
        found = read_toml(read_given("the defaults", file, LARGEST))
    except DocumentBroken as error:
        raise Refused(f"{file} is not TOML: {error}") from error
    table = found.pop("start", {})
    if found or not isinstance(table, Mapping):
        raise Refused(f"{file}: it holds one table, [start], with options of `start` by their names")
    names = {each.name for each in fields(StartOptions)} - {*OF_ONE}
    given = {str(name).replace("-", "_"): value for name, value in table.items()}
    if unknown := sorted(given.keys() - names):
        meant = f"; {near!r} perhaps" if (near := nearest(unknown[0], names)) else ""
        raise Refused(f"{file}: [start] {unknown[0]} is no default{meant}; it may have {', '.join(sorted(names))}")
    try:
        checked = TypeAdapter(StartOptions).validate_python(given)
    except ValidationError as error:
        raise Refused(f"{file}: [start] {first_problem(error)}") from error
    return _filled(options, {name: getattr(checked, name) for name in given}, typed)


def _filled(options: StartOptions, others: Mapping[str, Any], typed: frozenset[str] = frozenset()) -> StartOptions:
    own = _said(options) | typed
    return replace(options, **{name: value for name, value in others.items() if name not in own})


def _said(options: StartOptions) -> frozenset[str]:
    """What stays as it is; who typed an agent for all has said who plans and works."""
    own = set(_changed(StartOptions(), options))
    own |= {"planner", "agent"} if "agents" in own else set()
    own |= {"goal"} if own & {"goal_file", "issue"} else set()
    own |= {"title", "repo"} if "issue" in own else set()
    own |= {"label"} if "on" in own else {"on"} if "label" in own else set()
    return frozenset(own)


def _changed(before: StartOptions, after: StartOptions) -> tuple[str, ...]:
    return tuple(each.name for each in fields(StartOptions) if getattr(before, each.name) != getattr(after, each.name))


def _tighter(name: str, mine: Any, theirs: Any) -> Any:
    """The lower one, where 0 is no limit for what has none by itself; of budgets each bound by itself."""
    if name == "budget":
        try:
            return str(Budget.model_validate(mine).within(Budget.model_validate(theirs)))
        except ValidationError:  # mine is refused where all is read
            return mine
    return min(mine, theirs) if mine or name == "shepherd_rounds" else theirs


def _shortened(file: Path) -> str:
    home = Path.home()
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)


def _options_of(directive: Directive) -> dict[str, Any]:
    settings, text = directive.settings, directive.text
    return {
        **{name: getattr(settings, name) for name in _ALIKE},
        "title": text.title,
        "goal": text.goal,
        "repo": directive.repository,
        "base_branch": directive.base_branch,
        "requirement": list(text.requirements) or None,
        "acceptance": list(text.acceptance) or None,
        "constraint": list(text.constraints) or None,
        "agent": _typed(settings.agent),
        "planner": _typed(settings.planner),
        "fixer": _typed(settings.fixer),
        "resolver": _typed(settings.resolver),
        "setup": list(settings.setup) or None,
        "verify": list(settings.verify) or None,
        "step_agent": list(settings.step_agents) or None,
        **options_of(settings.opening or OpeningChoice()),
        "fallback_after": settings.fallback_after.total_seconds() / 60,
        "budget": str(settings.budget) if settings.budget else "",
        "timings": "fast" if settings.timings == Timings.fast() else "normal",
    }


def _typed(choice: AgentChoice | None) -> str | None:
    return ",".join(each.name for each in choice.in_order) if choice else None
