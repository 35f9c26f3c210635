"""What steps of a repository have cost so far: data for its next planners, and an estimate of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from pydantic import Field

from domain.quoting import in_a_line
from domain.tolerant import Tolerant
from domain.usage import Usage, cost_of, duration

KEPT = 20
"""Steps that are looked back at, the latest ones."""
SHOWN_NAME = 80
_HEAD = """\
## What steps have cost here
The latest steps that were done in this repository, as data: name, agents' time, cost, attempts.
"""
_SPLITTING = """\
Each step is an agent that begins anew: it checks the repository out, reads what it needs to know, works, and is
checked; then its work is merged with that of the others. {least}Make a step of its own of what can run beside
others, or is too much for one agent. A plan of one step is as good as one of ten."""


class StepDone(Tolerant):
    """A step that was completed, with all its attempts."""

    name: str
    attempts: int = 1
    usage: Usage = Field(default_factory=Usage)


class RepositoryNamed(Tolerant):
    """Whose steps in which repository are asked for."""

    owner: str
    repository: str


class Estimate(Tolerant):
    """What a plan's steps may use that are not done yet."""

    steps: int
    """How many there are."""
    seen: int
    """By how many earlier steps of the repository it is told."""
    usage: Usage
    """Of as many steps as there are, each like the one in the middle of those."""


def estimate(steps: int, done: Sequence[StepDone]) -> Estimate | None:
    """None: there is nothing to do, or nothing to tell it by."""
    if not steps or not done:
        return None
    return Estimate(steps=steps, seen=len(done), usage=_times(steps, _middle(done)))


def estimate_line(told: Estimate) -> str:
    """`3 steps to do: about $1.20, 45 min (by 12 earlier steps of this repository)`."""
    steps = "1 step" if told.steps == 1 else f"{told.steps} steps"
    earlier = "1 earlier step" if told.seen == 1 else f"{told.seen} earlier steps"
    return f"{steps} to do: about {_amounts(told.usage)} (by {earlier} of this repository)"


def experience(done: Sequence[StepDone]) -> str:
    """A part of the planner's prompt: what has been used, line by line, and what it costs to split work."""
    if not done:
        return _SPLITTING.format(least="")
    lines = [f"- {in_a_line(each.name)[:SHOWN_NAME]}: {_amounts(each.usage)}{_tries(each)}" for each in done]
    cheapest, middle = _amounts(_cheapest(done)), _amounts(_middle(done))
    least = f"Here the cheapest step has used {cheapest}, half of them more than {middle}. "
    return "\n".join([_HEAD + "\n".join(lines), "", _SPLITTING.format(least=least)])


def _tries(step: StepDone) -> str:
    return f", {step.attempts} attempts" if step.attempts > 1 else ""


def _amounts(usage: Usage) -> str:
    return ", ".join(filter(None, (cost_of(usage), duration(usage.seconds))))


def _cheapest(done: Iterable[StepDone]) -> Usage:
    return min((each.usage for each in done), key=lambda usage: (usage.cost_usd, usage.seconds))


def _middle(done: Sequence[StepDone]) -> Usage:
    """The median of each amount; a cost only of those that tell theirs."""
    known = [each.usage.cost_usd for each in done if not each.usage.cost_unknown]
    return Usage(
        seconds=round(median(each.usage.seconds for each in done), 3),
        cost_usd=round(median(known), 6) if known else 0,
        tokens=round(median(each.usage.tokens for each in done)),
        cost_unknown=not known,
    )


def _times(steps: int, usage: Usage) -> Usage:
    return Usage(
        seconds=steps * usage.seconds,
        cost_usd=round(steps * usage.cost_usd, 6),
        tokens=steps * usage.tokens,
        cost_unknown=usage.cost_unknown,
    )
