"""What has to hold before a directive is started: who serves its agents, and what its repository takes (rule 2.12)."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from domain.directive_settings import NamedAgent
from domain.models import State
from domain.reports import DaemonSeen
from domain.start_defaults import StartDefaults
from domain.usage import duration
from domain.value import Value


class StartWanted(Value):
    """A repository that a directive is to be started on, as a daemon is asked about it."""

    repository: str
    base_branch: str = ""
    """Empty: the remote's default branch."""
    branch_prefix: str = ""
    """Empty: what the repository says."""
    # Written only where they are wanted: a daemon of before knows neither.
    defaults: bool = Field(default=False, exclude_if=operator.not_)
    """What the repository says of a start is wanted, too."""
    only_defaults: bool = Field(default=False, exclude_if=operator.not_)
    """Nothing else is: the remote is not asked whether it takes anything."""


class StartSeen(Value):
    """What a daemon has found there."""

    trouble: str = ""
    """Why nothing could be started there; empty: a directive can."""
    base_branch: str = ""
    """The one that it would start from."""
    defaults: StartDefaults | None = Field(default=None, exclude_if=operator.not_)
    """What the repository says, where that was wanted."""
    read_from: str = Field(default="", exclude_if=operator.not_)
    """The branch on which it says so."""


class Need(Value):
    """One agent of these is needed, on a daemon of this name or with this label."""

    option: str
    agents: tuple[str, ...]
    daemon: str = ""
    label: str = ""

    def may_be_met_by(self, daemon: DaemonSeen) -> bool:
        """Whether it may work there at all, whatever it serves."""
        return (not self.daemon or daemon.name == self.daemon) and (not self.label or self.label in daemon.labels)

    def is_met_by(self, daemon: DaemonSeen) -> bool:
        return self.may_be_met_by(daemon) and any(agent in daemon.agents for agent in self.agents)


def needs_of(state: State) -> Iterator[Need]:
    """What its daemons must serve, as far as it is known before there is a plan."""
    settings = state.directive.settings
    chosen = {
        "--planner": settings.planner,
        "--agent": settings.agent,
        "--fixer": settings.fixer,
        "--resolver": settings.resolver,
    }
    place = {"daemon": settings.on, "label": "" if settings.on else settings.label}
    for option, choice in chosen.items():
        if choice is not None:
            yield Need(option=option, agents=_names(choice.in_order), **place)
    for each in settings.step_agents:
        yield Need(option="--step-agent", agents=(each.partition(":")[0],), **place)
    for step in state.given_plan:
        if step.agent or (step.label and not settings.on):
            place_of_step = {**place, "label": step.label} if step.label and not settings.on else place
            agents = _names((step.agent or settings.agent).in_order)
            yield Need(option=f"step {step.name!r}", agents=agents, **place_of_step)


def serving(state: State, daemons: Iterable[DaemonSeen]) -> list[DaemonSeen]:
    """The living daemons that may serve something of it, the freest first."""
    needs = list(needs_of(state))
    living = (each for each in daemons if each.reported_lately and any(need.is_met_by(each) for need in needs))
    return sorted(living, key=lambda daemon: -daemon.free)


def unserved(state: State, daemons: Sequence[DaemonSeen]) -> str:
    """Why it would wait for a daemon, with who could serve it; empty: one that lives serves each of its agents."""
    living = [each for each in daemons if each.reported_lately]
    missing = next((need for need in needs_of(state) if not any(need.is_met_by(each) for each in living)), None)
    return _unmet(missing, living, daemons) if missing else ""


def _unmet(need: Need, living: Sequence[DaemonSeen], daemons: Sequence[DaemonSeen]) -> str:
    agents = " or ".join(repr(agent) for agent in need.agents)
    place = f" on daemon {need.daemon!r}" if need.daemon else f" with label {need.label!r}" if need.label else ""
    gone = [each for each in daemons if not each.reported_lately and need.is_met_by(each)]
    here = [each for each in living if need.may_be_met_by(each)]
    elsewhere = [each for each in living if each not in here and set(need.agents) & set(each.agents)]
    if gone:
        who = ", ".join(
            f"{each.name} (gone, last heard {duration(each.silent_for.total_seconds())} ago)" for each in gone
        )
        remedy = f"{who} could: start it again"
    elif here:
        who = "; ".join(f"{each.name} serves {', '.join(each.agents) or 'no agent'}" for each in here)
        remedy = f"{who}: name it in `serves` of that daemon's settings (docs/agents.md) and restart it"
    elif elsewhere:
        remedy = f"{', '.join(each.name for each in elsewhere)} could: choose it by --on or --label"
    else:
        remedy = "start one: `starter.py up`, or `python -m daemon`"
    return f"{need.option}: no daemon that lives serves {agents}{place}; {remedy}, or add --wait-for-daemon"


def _names(choices: Iterable[NamedAgent]) -> tuple[str, ...]:
    return tuple(each.name for each in choices)
