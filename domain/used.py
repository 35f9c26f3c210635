"""What a directive has used so far, each attempt once; and an estimate where nobody knows what its tokens cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.models import State, Task
from domain.statuses import TaskStatus
from domain.usage import Usage
from domain.value import Value

ASSUMED = 3 / 1_000_000
"""USD for a token, until an agent of the directive has told its own cost: about what coding agents come to with what
their caches save.
"""
ASSUMED_BY_TIME = 3 / 3600
"""The same for a second of an agent that tells neither tokens nor cost."""
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
    """The same, with an estimate of what nobody knows the cost of: by what the directive's other tokens have cost, or
    its time where an agent doesn't tell of tokens either.
    """
    parts = [*_usages(state)]
    known = sum((part for part in parts if part.cost_usd and not part.cost_unknown), Usage())
    token = known.cost_usd / known.tokens if known.tokens else ASSUMED
    second = known.cost_usd / known.seconds if known.seconds else ASSUMED_BY_TIME
    unknown = [part for part in parts if part.cost_unknown]
    guessed = [max((part.tokens * token or part.seconds * second) - part.cost_usd, 0) for part in unknown]
    estimated = round(sum(guessed), 6)
    return Spent(used=sum(parts, Usage()) + Usage(cost_usd=estimated), estimated_usd=estimated)


def used_in(task: Task) -> Usage:
    """By its attempt that is not over, as far as that has told: where it waited, or was called back."""
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


def _usages(state: State) -> Iterator[Usage]:
    yield state.merged.usage
    for task in state.tasks.values():
        yield task.usage or Usage()
        yield used_in(task)
