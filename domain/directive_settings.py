"""How a directive is run: fixed at its start, and the same for every test, machine and operator."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from domain import names
from domain.budget import Budget
from domain.issues import checked_issues
from domain.opening_choice import OpeningChoice
from domain.timings import Timings
from domain.tolerant import Tolerant
from domain.usage import Rate, duration
from domain.value import Value

LABEL = r"[a-z0-9][a-z0-9._-]{0,39}"
"""What daemons and steps may be labelled with; it is a part of a queue's name."""
AnyLabel = Annotated[str, Field(pattern=f"^({LABEL})?$")]


SHELL = "shell"
"""The agent for which a task plan is a script: it can't read one that is meant for a reader."""


class NamedAgent(Tolerant):
    """An agent of the daemon's settings, and with what it is run."""

    name: str
    model: str = ""
    arguments: tuple[str, ...] = ()


class AgentChoice(NamedAgent):
    """Which agent does a kind of task, and which ones go on in its place."""

    then: tuple[NamedAgent, ...] = Field(default=(), exclude_if=operator.not_)
    """Who goes on where it can't, in this order (rule 5.9). Written only where there is somebody: in a daemon's command
    there never is."""

    @property
    def in_order(self) -> tuple[AgentChoice, ...]:
        """All of the list, each by itself."""
        first = self.model_copy(update={"then": ()})
        return (first, *(AgentChoice.model_validate(dict(each)) for each in self.then))


MAX_AGENTS = 10
"""In one list."""


def agent_list(names: Iterable[str], known: Iterable[AgentChoice] = ()) -> AgentChoice:
    """The agents of these names, the first of which begins; as they are `known`, if they are. ValueError."""
    listed = [name.strip() for name in names]
    if not listed or not all(listed):
        raise ValueError("it takes the names of agents of the daemons' settings, as in: claude,codex")
    before = {each.name: each for each in known}
    first, *others = (before.get(name, AgentChoice(name=name)) for name in listed)
    then = tuple(NamedAgent.model_validate(dict(each)) for each in others)
    return checked_list(first.model_copy(update={"then": then}))


def checked_list(agent: AgentChoice) -> AgentChoice:
    """`agent`, if each of its list is another one; ValueError. The shell stands alone: what others read as a task plan
    it would run as a script."""
    names = [agent.name, *(each.name for each in agent.then)]
    if len(names) > MAX_AGENTS:
        raise ValueError(f"a list holds at most {MAX_AGENTS} agents, this one {len(names)}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"agent {twice!r} is named twice in one list")
    if len(names) > 1 and SHELL in names:
        raise ValueError("the shell agent stands alone: in place of another one it would run a task plan as a script")
    return agent


class StepAgents(Tolerant):
    """Which agents a plan may give its steps (rule 3.6), each as NAME or NAME:MODEL; none: it may choose nothing."""

    default: str = ""
    """Whose model it is that a step names without an agent."""
    allowed: tuple[str, ...] = ()

    def chosen(self, names: Iterable[str], model: str) -> AgentChoice | None:
        """What a step names: agents in order, the first with this model; None: nothing. ValueError for what is not
        allowed, by its name.
        """
        listed = [name.strip() for name in names]
        if not listed and not model:
            return None
        listed = listed or [self.default]
        wanted = [f"{listed[0]}:{model}" if model else listed[0], *listed[1:]]
        if refused := next((each for each in wanted if each not in self.allowed), None):
            may = f"only {', '.join(self.allowed)}" if self.allowed else "none"
            raise ValueError(f"agent {refused[:80]!r} is not allowed for a step: {may} (`--step-agent NAME:MODEL`)")
        return agent_list(listed).model_copy(update={"model": model})


class Limits(Tolerant):
    """What one attempt may use (rule 5.7); kept by the daemon."""

    time: timedelta
    no_output: timedelta = timedelta(minutes=15)
    turns: int = 0
    """Of the agent's model; 0: no limit, here and below."""
    cost_usd: float = 0
    budget: Budget = Budget.model_construct()
    """What the attempt may have used at its end of its directive's budget: it is handed back there, and has not failed.
    """
    whole_budget: Budget = Budget.model_construct()
    """The directive's, which all its attempts use up together: those that run at the same time, too."""
    rate: Rate = Rate.model_construct()
    """By which its agent's cost is estimated where nobody tells it."""


class CompletionRule(StrEnum):
    """When finished steps are shipped though others failed or are blocked (rule 2.6)."""

    PARTIAL = "partial"
    ALL = "all"


def _checked(agent: AgentChoice | None) -> AgentChoice | None:
    return checked_list(agent) if agent else None


def _in_words(choice: AgentChoice) -> str:
    return ", then ".join(each.name + (f" ({each.model})" if each.model else "") for each in choice.in_order)


class Settings(Value):
    """How a directive is run; fixed at its start."""

    agent: Annotated[AgentChoice, AfterValidator(checked_list)] = AgentChoice.model_construct(name=SHELL)
    planner: Annotated[AgentChoice | None, AfterValidator(_checked)] = None
    """None: the plan was given with the directive."""
    max_parallel_steps: Annotated[int, Field(ge=1, le=64)] = 8
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 2
    max_deliveries: Annotated[int, Field(ge=1, le=20)] = 6
    once: bool = False
    fail_fast: bool = False
    completion: CompletionRule = CompletionRule.PARTIAL
    require_approval: bool = False
    memory: bool = False
    on: str = ""
    """The only daemon that may serve it: where a local repository lies (rule 6.13)."""
    label: AnyLabel = ""
    """Which daemons may serve it: those with this label; a step's own label takes its place."""
    setup: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    """Commands in place of those of `.makima.toml` at the base commit (rule 6.5)."""
    max_turns: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """What an agent may take for one step; 0: no limit, here and below."""
    max_cost_usd: Annotated[float, Field(ge=0, le=1_000_000)] = 0
    budget: Budget = Budget.model_construct()
    """What the whole directive may use, over all its tasks and attempts (rule 2.10)."""
    opening: OpeningChoice | None = Field(default=None, exclude_if=operator.not_)
    """In place of what the repository wants its pull requests to begin with."""
    pull_request: bool = True
    """Open and update one where the daemon knows how; else the branch is pushed, nothing more (rule 7.4)."""
    shepherd: bool = True
    """Look after the pull request once it is open (rule 7.5)."""
    shepherd_rounds: Annotated[int, Field(ge=0, le=20)] = 3
    """Batches of fixes before an operator is asked."""
    fixer: Annotated[AgentChoice | None, AfterValidator(_checked)] = None
    """The agent that mends pull requests; None: the planner, else the one that does the steps."""
    resolver: Annotated[AgentChoice | None, AfterValidator(_checked)] = None
    """The agent that resolves what conflicts when the work is merged; None: the one that does the steps."""
    step_agents: tuple[str, ...] = ()
    """What a plan may give its steps, each as NAME or NAME:MODEL (rule 3.6)."""
    fallback_after: timedelta = timedelta(minutes=10)
    """How long an agent is waited for whose account can't be used, before the next of its list goes on (rule 5.9)."""
    branch_prefix: Annotated[str, AfterValidator(names.branch_prefix)] = ""
    """What its branches begin with; empty: not said, until the repository's `.makima.toml` does."""
    closes: Annotated[tuple[str, ...], AfterValidator(checked_issues)] = ()
    """The issues that its pull request closes once it is merged, as `#7` or `owner/name#7`."""
    keep_branches: bool = False
    """Leave the branches and refs of merged work on the remote."""
    rest_at_events: Annotated[int, Field(ge=100, le=40_000)] = 20_000
    """From so many history events on nothing new is started until the run has continued as new (design 6)."""
    timings: Timings = Timings.model_construct()

    @property
    def for_steps(self) -> StepAgents:
        """What a plan may choose from."""
        return StepAgents(default=self.agent.name, allowed=self.step_agents)

    @property
    def prefix(self) -> str:
        """What its branches begin with now."""
        return self.branch_prefix or names.PREFIX

    @property
    def agents_told(self) -> dict[str, str]:
        """Kind of task → the agents that do it, in order; for a reader."""
        chosen = {"plans": self.planner, "steps": self.agent, "fixes": self.fixer, "conflicts": self.resolver}
        return {kind: _in_words(choice) for kind, choice in chosen.items() if choice}

    @property
    def limits_told(self) -> str:
        """What bounds each of its tasks; a budget of all is told by itself."""
        limits = [
            f"{self.max_parallel_steps} steps at once",
            f"{self.max_attempts} attempts",
            f"{duration(self.timings.step_limit.total_seconds())} a step",
            f"{duration(self.timings.no_output.total_seconds())} without output",
        ]
        limits += [f"${self.max_cost_usd:g} an attempt"] if self.max_cost_usd else []
        limits += [f"{self.max_turns} turns an attempt"] if self.max_turns else []
        return ", ".join(limits)

    @field_validator("fixer")
    @classmethod
    def _reads_what_others_write(cls, fixer: AgentChoice | None) -> AgentChoice | None:
        if fixer and fixer.name == SHELL:
            raise ValueError("the shell agent can't fix pull requests: it would run what logs and comments say")
        return fixer

    @field_validator("resolver")
    @classmethod
    def _reads_what_conflicts(cls, resolver: AgentChoice | None) -> AgentChoice | None:
        if resolver and resolver.name == SHELL:
            raise ValueError("the shell agent can't resolve conflicts: it can't be told of any")
        return resolver
