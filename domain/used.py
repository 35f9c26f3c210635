"""What a directive has used so far, each attempt once; and an estimate where nobody knows what something costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.models import State, Task
from domain.statuses import TaskStatus
from domain.usage import Rate, ResumableSession, Usage, rate_of
from domain.value import Value

_OVER = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.MERGED)


class Spent(Value):
    """What counts against a budget."""

    used: Usage
    """With the estimate."""
    estimated_usd: float = 0
    """How much of the cost is one."""


def total_usage(state: State) -> Usage:
    """Of all the tasks that the directive ever had, as agents have told it."""
    return sum(_usages(state), Usage())


def spent(state: State) -> Spent:
    """The same, with an estimate of what nobody knows the cost of."""
    unknown = [(agent, part) for agent, part in _parts(state) if part.cost_unknown]
    rates = {agent: rate_for(state, agent) for agent in {agent for agent, _ in unknown}}
    estimated = round(sum(rates[agent].guessed(part) for agent, part in unknown), 6)
    return Spent(used=total_usage(state) + Usage(cost_usd=estimated), estimated_usd=estimated)


def rate_for(state: State, agent: str) -> Rate:
    """What this agent is taken to cost where it doesn't tell: by what it has told in the directive, else in earlier
    steps of its repository; else by what other agents have told in the directive.
    """
    told = [(name, part) for name, part in _parts(state) if part.cost_usd and not part.cost_unknown]
    own = sum((part for name, part in told if name == agent), Usage())
    earlier = (state.budgeting.rates or {}).get(agent)
    return rate_of(own) or earlier or rate_of(sum((part for _, part in told), Usage())) or Rate()


def used_in(task: Task) -> Usage:
    """By its attempt that is not over, as far as that has told: where it waited, was called back, or lost a daemon."""
    if task.status in _OVER:
        return Usage()  # its outcome's usage holds this, too
    if task.agents.used_in_attempt:
        return task.agents.so_far
    return task.resume.usage if task.resume else Usage()


def estimated_in(state: State, task: Task) -> Usage:
    """The same with the estimate."""
    used = used_in(task)
    by_agent = task.agents.used_in_attempt or {task.agents.name: used}
    return used + Usage(cost_usd=sum(rate_for(state, name).guessed(part) for name, part in by_agent.items()))


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
        yield task.usage or Usage()
        yield used_in(task)


def _parts(state: State) -> Iterator[tuple[str, Usage]]:
    """The same by agent; of the empty name is what nobody has written down whose it is."""
    yield "", state.merged.usage
    for task in state.tasks.values():
        by_agent = task.agents.by_agent
        # Most of a large plan: each dispatch asks for all, and Temporal takes a task of two seconds for a deadlock.
        if not (by_agent or task.usage or task.resume or task.agents.used_in_attempt):
            continue
        yield from by_agent.items()
        yield "", ((task.usage or Usage()) + used_in(task)).since(sum(by_agent.values(), Usage()))
