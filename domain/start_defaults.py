"""What a repository says of directives that are started on it: `[start]` in its `.makima.toml` (rule 2.14)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator

from domain.budget import Budget
from domain.directive_settings import SHELL, AnyLabel, Settings, agent_list
from domain.names import is_branch
from domain.problems import first_problem
from domain.value import Value


def _agents(typed: str) -> str:
    """Never the shell: whoever plans writes for a reader, and it would run that as a script."""
    if any(each.name == SHELL for each in agent_list(typed.split(",")).in_order):
        raise ValueError("the shell agent is no repository's default: it is typed, with a plan that is made of scripts")
    return typed


def _branch(name: str) -> str:
    if not is_branch(name):
        raise ValueError(f"{name!r} is not a branch's name")
    return name


def _budget(typed: str) -> str:
    try:
        Budget.model_validate(typed)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error
    return typed


def _at_most_usual(name: str) -> AfterValidator:
    usual: int = Settings.model_fields[name].default

    def checked(number: int) -> int:
        if number > usual:
            raise ValueError(f"a repository may say {usual} at most; more is typed, or stands in your own config.toml")
        return number

    return AfterValidator(checked)


Agents = Annotated[str, AfterValidator(_agents)]


class StartDefaults(Value):
    """Options of `start` by their names; None: not said. Who writes to the repository writes them: none lets a
    directive do or cost more than it may without any.
    """

    agents: Agents | None = None
    agent: Agents | None = None
    planner: Agents | None = None
    fixer: Agents | None = None
    resolver: Agents | None = None
    base_branch: Annotated[str, AfterValidator(_branch)] | None = None
    label: AnyLabel | None = None
    require_approval: bool | None = None
    max_parallel_steps: Annotated[int, Field(ge=1), _at_most_usual("max_parallel_steps")] | None = None
    max_attempts: Annotated[int, Field(ge=1), _at_most_usual("max_attempts")] | None = None
    shepherd_rounds: Annotated[int, Field(ge=0), _at_most_usual("shepherd_rounds")] | None = None
    max_turns: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    max_cost_usd: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] | None = None
    budget: Annotated[str, AfterValidator(_budget)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_typed(cls, given: Any) -> Any:
        """`max-attempts` is `max_attempts`, as on the command line."""
        if not isinstance(given, dict):
            return given
        return {str(name).replace("-", "_"): value for name, value in given.items()}

    @property
    def said(self) -> dict[str, Any]:
        """Option → what the repository says of it."""
        return {name: value for name, value in self if value is not None}


class DefaultsFrom(Value):
    """Options that were not typed, and who has said them."""

    source: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.options)} ({self.source})"
