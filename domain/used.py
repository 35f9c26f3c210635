"""What a directive has used so far, each attempt once; and an estimate where nobody knows what something costs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from domain.models import State, Task
from domain.statuses import TaskStatus
from domain.usage import NOTHING, Rate, ResumableSession, Usage, rate_of, together
from domain.value import Value

_OVER = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.MERGED)


class Spent(Value):
    """What counts against a budget."""

    used: Usage
    """With the estimate."""
    estimated_usd: float = 0
    """How much of the cost is one."""


class Costs:
    """What has been used as of one state, each task looked at once: a workflow task that dispatches sixty steps of six
    hundred asks as often, and Temporal takes one of two seconds for a deadlock.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._rates: dict[str, Rate] = {}

    @cached_property
    def total(self) -> Usage:
        """Of all the tasks that the directive ever had, as agents have told it."""
        return together(_usages(self.state))

    @cached_property
    def spent(self) -> Spent:
        """The same, with an estimate of what nobody knows the cost of."""
        unknown = [(agent, part) for agent, part in self._parts if part.cost_unknown]
        estimated = round(sum(self.rate_for(agent).guessed(part) for agent, part in unknown), 6)
        return Spent(used=self.total + Usage(cost_usd=estimated), estimated_usd=estimated)

    def rate_for(self, agent: str) -> Rate:
        """What this agent is taken to cost where it doesn't tell: by what it has told in the directive, else in earlier
        steps of its repository; else by what other agents have told in the directive.
        """
        if agent not in self._rates:
            own = together(self._told.get(agent, ()))
            earlier = (self.state.budgeting.rates or {}).get(agent)
            self._rates[agent] = rate_of(own) or earlier or self._rate_of_all or Rate()
        return self._rates[agent]

    def estimated_in(self, task: Task) -> Usage:
        """What the task's attempt that is not over has used, with the estimate."""
        used = used_in(task)
        by_agent = task.agents.used_in_attempt or {task.agents.name: used}
        return used + Usage(cost_usd=sum(self.rate_for(name).guessed(part) for name, part in by_agent.items()))

    @cached_property
    def _parts(self) -> list[tuple[str, Usage]]:
        return list(_parts(self.state))

    @cached_property
    def _told(self) -> dict[str, list[Usage]]:
        """Agent → what has told all its cost."""
        told: dict[str, list[Usage]] = {}
        for agent, part in self._parts:
            if part.cost_usd and not part.cost_unknown:
                told.setdefault(agent, []).append(part)
        return told

    @cached_property
    def _rate_of_all(self) -> Rate | None:
        return rate_of(together(part for parts in self._told.values() for part in parts))


def total_usage(state: State) -> Usage:
    """Of all the tasks that the directive ever had, as agents have told it."""
    return Costs(state).total


def spent(state: State) -> Spent:
    """The same, with an estimate of what nobody knows the cost of."""
    return Costs(state).spent


def used_in(task: Task) -> Usage:
    """By its attempt that is not over, as far as that has told: where it waited, was called back, or lost a daemon."""
    if task.status in _OVER:
        return Usage()  # its outcome's usage holds this, too
    if task.agents.used_in_attempt:
        return task.agents.so_far
    return task.resume.usage if task.resume else Usage()


def settled(task: Task) -> dict[str, Any]:
    """The fields of a task whose attempt is given up: what it has used so far is not forgotten with its session."""
    used = used_in(task)
    usage = (task.usage or Usage()) + used if used != Usage() else task.usage
    return {"usage": usage, "agents": task.agents.ended(), "resume": None}


def with_told(task: Task, agent: str, told: Usage) -> dict[str, Any]:
    """The fields of a task whose attempt goes on and has used `told` in all, by the word of a delivery that did not
    come to an end: the next one goes on from that.
    """
    known = used_in(task)
    if (told := told.or_more(known)) == known:
        return {}
    resume = task.resume or ResumableSession(agent=agent, session="", daemon="")
    agents = task.agents.model_copy(update={"name": agent}).with_used(told)
    return {"agents": agents, "resume": resume.model_copy(update={"usage": told})}


def _usages(state: State) -> Iterator[Usage]:
    yield state.merged.usage
    for task in state.tasks.values():
        if task.usage:
            yield task.usage
        if task.status not in _OVER:
            yield used_in(task)


def _parts(state: State) -> Iterator[tuple[str, Usage]]:
    """What of the same has a cost, or an unknown one, by agent; of the empty name is what nobody has written down whose
    it is.
    """
    yield "", state.merged.usage
    for task in state.tasks.values():
        by_agent = task.agents.by_agent if task.agents.used_in_attempt else task.agents.used
        yield from by_agent.items()
        known = list(by_agent.values())
        whole = task.usage if task.status in _OVER else together([task.usage or NOTHING, used_in(task)])
        if whole and (whole.cost_usd or whole.cost_unknown) and known != [whole]:
            yield "", whole.since(together(known))
