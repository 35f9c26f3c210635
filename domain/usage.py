"""What agents use up, added up over attempts, tasks and directives; and their sessions (rule 5.2)."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from domain.tolerant import Tolerant

MOST = 10**12
"""Of anything that is counted here; sums of it fit the record's columns, too."""


Number = TypeVar("Number", int, float)


def _countable(told: Number) -> Number:
    return min(max(told, 0), MOST) if math.isfinite(told) else 0


def _none_as_nothing(told: object) -> object:
    return 0 if told is None else told


Amount = Annotated[float, BeforeValidator(_none_as_nothing), AfterValidator(_countable)]
"""Agents tell what they like, and JSON has neither NaN nor infinity: written as null, nothing that holds one could be
read again. What is no amount counts as none.
"""


class Usage(Tolerant):
    """What an attempt, or several together, used up; each from 0 to MOST."""

    seconds: Amount = 0
    cost_usd: Amount = 0
    tokens: Annotated[int, AfterValidator(_countable)] = 0
    cost_unknown: bool = False
    """Nobody knows what some of it cost: `cost_usd` is the rest."""
    untold_tokens: Annotated[int, AfterValidator(_countable)] = Field(default=0, exclude_if=operator.not_)
    """Those of `tokens` whose cost nobody knows."""
    untold_seconds: Amount = Field(default=0, exclude_if=operator.not_)
    """Of agents' runs that have told neither a cost nor tokens."""

    def __add__(self, more: Usage) -> Usage:
        return Usage(
            seconds=round(self.seconds + more.seconds, 3),
            cost_usd=round(self.cost_usd + more.cost_usd, 6),
            tokens=self.tokens + more.tokens,
            cost_unknown=self.cost_unknown or more.cost_unknown,
            untold_tokens=self.untold_tokens + more.untold_tokens,
            untold_seconds=round(self.untold_seconds + more.untold_seconds, 3),
        )

    def since(self, before: Usage) -> Usage:
        """What was used after `before`, which is a part of it."""
        return Usage(
            seconds=round(self.seconds - before.seconds, 3),
            cost_usd=round(self.cost_usd - before.cost_usd, 6),
            tokens=self.tokens - before.tokens,
            cost_unknown=self.cost_unknown,
            untold_tokens=self.untold_tokens - before.untold_tokens,
            untold_seconds=round(self.untold_seconds - before.untold_seconds, 3),
        )

    def or_more(self, other: Usage) -> Usage:
        """Of two reports of the same work the one that has seen more of it, neither of which has to be the later one.
        What was unknown in one may be told in the other, so that they are not mixed; but time only ever grows.
        """
        most = max(self, other, key=lambda used: (used.tokens, used.cost_usd, used.untold_seconds))
        return most.model_copy(update={"seconds": max(self.seconds, other.seconds)})


NOTHING = Usage.model_construct()


def together(parts: Iterable[Usage]) -> Usage:
    """The same as their sum by `+`, each of whose parts would be validated: of hundreds that takes milliseconds."""
    seconds = cost_usd = untold_seconds = 0.0
    tokens = untold_tokens = 0
    cost_unknown = False
    for part in parts:
        seconds = round(seconds + part.seconds, 3)
        cost_usd = round(cost_usd + part.cost_usd, 6)
        tokens += part.tokens
        cost_unknown = cost_unknown or part.cost_unknown
        untold_tokens += part.untold_tokens
        untold_seconds = round(untold_seconds + part.untold_seconds, 3)
    return Usage(
        seconds=seconds,
        cost_usd=cost_usd,
        tokens=tokens,
        cost_unknown=cost_unknown,
        untold_tokens=untold_tokens,
        untold_seconds=untold_seconds,
    )


ASSUMED = 3 / 1_000_000
"""USD for a token, until an agent has told its own cost: about what coding agents come to with what their caches save.
"""
ASSUMED_BY_TIME = 3 / 3600
"""The same for a second of an agent that tells neither tokens nor cost."""


class Rate(Tolerant):
    """USD by which a cost that nobody has told is estimated."""

    token_usd: Amount = ASSUMED
    second_usd: Amount = ASSUMED_BY_TIME

    def guessed(self, used: Usage) -> float:
        """USD of what was used without telling its cost, on top of what was told; 0: all of it was."""
        if not used.cost_unknown:
            return 0.0
        untold = used.untold_tokens * self.token_usd + used.untold_seconds * self.second_usd
        if untold:
            return untold
        # Daemons of before tell only that some of it is unknown.
        return max((used.tokens * self.token_usd or used.seconds * self.second_usd) - used.cost_usd, 0)

    def with_guess(self, used: Usage) -> Usage:
        """The same with the estimate as a part of its cost."""
        return used + Usage(cost_usd=self.guessed(used))


def rate_of(told: Usage) -> Rate | None:
    """By what has told all its cost; None: nothing has cost anything."""
    if not told.cost_usd:
        return None
    return Rate(
        token_usd=told.cost_usd / told.tokens if told.tokens else ASSUMED,
        second_usd=told.cost_usd / told.seconds if told.seconds else ASSUMED_BY_TIME,
    )


class ResumableSession(Tolerant):
    """An agent's session that an attempt which waits can go on with, on the machine where it is."""

    agent: str
    session: str
    """Empty: there is none, only what the attempt has used."""
    daemon: str
    usage: Usage = Usage.model_construct()
    """Of the attempt so far."""
    is_finished: bool = False
    """The attempt's work is done, and its outcome is on that machine alone, since the remote could not take it."""


def duration(seconds: float) -> str:
    """`1 h 4 min`, `4 min`, `12 s`."""
    minutes, rest = divmod(round(timedelta(seconds=seconds).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"


def cost_of(usage: Usage) -> str:
    """`$1.25`, `at least $1.25`, `cost unknown`; empty: none."""
    if usage.cost_unknown:
        return f"at least ${usage.cost_usd:.2f}" if usage.cost_usd else "cost unknown"
    return f"${usage.cost_usd:.2f}" if usage.cost_usd else ""


def used(usage: Usage) -> str:
    """Cost, tokens and duration, as far as they are known; empty: nothing was used."""
    parts = [cost] if (cost := cost_of(usage)) else []
    parts += [f"{usage.tokens:,} tokens"] if usage.tokens else []
    return ", ".join([*parts, duration(usage.seconds)]) if usage != NOTHING else ""


def by_agents(agents: Mapping[str, Usage]) -> str:
    """Who has done it; of several what each has used."""
    told = [f"{name} ({used(usage)})" if len(agents) > 1 and used(usage) else name for name, usage in agents.items()]
    return ", ".join(told)
