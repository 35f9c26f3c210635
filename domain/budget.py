"""What may be used up in all, as people write it: `20usd`, `5M tokens`, `6h`, or several of them (rule 2.10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, model_validator

from domain.tolerant import Tolerant
from domain.usage import MOST, Rate, Usage, duration

LEAST: Mapping[str, float] = {"cost_usd": 0.01, "tokens": 1, "seconds": 1}
"""With less than this left of any of its bounds a budget is used up: no agent is started."""
MOST_OF: Mapping[str, int] = {"cost_usd": 1_000_000, "tokens": MOST, "seconds": 10**9}
NEARLY = 0.8
"""The share from which on people are told that it ends soon."""
USED_UP = "the directive's budget is used up"
"""Why a task waits that its daemon has handed back."""
NO_BUDGET = ("", "none")
_HELP = "write it as 20usd, 5M tokens or 6h (several with commas between them), or none"
_PART = re.compile(r"(?P<dollar>\$?)\s*(?P<number>[0-9]{1,12}(\.[0-9]{1,6})?)\s*(?P<factor>[km]?)\s*(?P<unit>[a-z]*)")
_FACTORS: Mapping[str, int] = {"": 1, "k": 1_000, "m": 1_000_000}
_TOKENS = ("token", "tokens")
_SECONDS: Mapping[str, int] = {"min": 60, "h": 3600}


class Budget(Tolerant):
    """Bounds of what is used; each is 0 where it bounds nothing. A text, as it is typed, is read as one."""

    cost_usd: Annotated[float, Field(ge=0, le=MOST_OF["cost_usd"], allow_inf_nan=False)] = 0
    tokens: Annotated[int, Field(ge=0, le=MOST_OF["tokens"])] = 0
    seconds: Annotated[float, Field(ge=0, le=MOST_OF["seconds"], allow_inf_nan=False)] = 0
    """Of agents' tasks running, added up: two that run for an hour use two hours. What waits or is parked uses none."""

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, given: Any) -> Any:
        return _read(given) if isinstance(given, str) else given

    def __bool__(self) -> bool:
        """Whether it bounds anything."""
        return bool(self.cost_usd or self.tokens or self.seconds)

    def __str__(self) -> str:
        """As it can be typed."""
        parts = [f"{_plain(self.cost_usd)}usd"] if self.cost_usd else []
        parts += [f"{_count(self.tokens)} tokens"] if self.tokens else []
        parts += [_time(self.seconds)] if self.seconds else []
        return ", ".join(parts) or "none"

    def share_of(self, used: Usage) -> float:
        """The largest share of any of its bounds that is used; 0 where there is none."""
        return max((getattr(used, name) / bound for name, bound in self._bounds()), default=0.0)

    def is_used_up(self, used: Usage) -> bool:
        """Whether less is left than an agent could be started with."""
        return any(round(bound - getattr(used, name), 6) < LEAST[name] for name, bound in self._bounds())

    def left_after(self, used: Usage) -> Budget:
        """What is left; only of one that is not used up, since 0 bounds nothing."""
        return Budget.model_validate({name: bound - getattr(used, name) for name, bound in self._bounds()})

    def beside(self, used: Usage) -> Budget:
        """This much on top of what has been used."""
        sums = {name: bound + getattr(used, name) for name, bound in self._bounds()}
        return Budget.model_validate({name: min(amount, MOST_OF[name]) for name, amount in sums.items()})

    def within(self, other: Budget) -> Budget:
        """Of each bound the lower one of both."""
        both = {**dict(other._bounds()), **dict(self._bounds())}
        return Budget.model_validate({name: min(both[name], getattr(other, name) or both[name]) for name in both})

    def _bounds(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in LEAST if getattr(self, name)]


class Budgeting(Tolerant):
    """How far a directive is with keeping its budget."""

    noticed: Budget = Budget.model_construct()
    """The budget whose near end people were told of."""
    stopped: bool = False
    """It was paused at the end of its budget, and nobody has said yet how to go on."""
    finishing: bool = False
    """The operator wants it to end with what is there, whatever its settings say of unfinished steps."""
    rates: dict[str, Rate] | None = None
    """Agent → what it has cost in earlier steps of the repository, for those of its costs that nobody tells; None: the
    record was not asked yet."""


def said(budget: Budget, used: Usage, estimated_usd: float = 0) -> str:
    """`$12.40 of $20.00 ($2.00 of it estimated)`: how much of each bound is used."""
    parts = []
    if budget.cost_usd:
        estimated = f" (${estimated_usd:.2f} of it estimated)" if estimated_usd else ""
        parts.append(f"${used.cost_usd:.2f} of ${budget.cost_usd:.2f}{estimated}")
    if budget.tokens:
        parts.append(f"{used.tokens:,} of {budget.tokens:,} tokens")
    if budget.seconds:
        parts.append(f"{duration(used.seconds)} of {duration(budget.seconds)}")
    return ", ".join(parts)


def _read(text: str) -> dict[str, float]:
    if text.strip().lower() in NO_BUDGET:
        return {}
    amounts: dict[str, float] = {}
    for part in text.lower().split(","):
        name, amount = _amount(part.strip())
        if name in amounts:
            raise ValueError(f"{text!r} names two bounds of a kind: {_HELP}")
        amounts[name] = amount
    return amounts


def _amount(part: str) -> tuple[str, float]:
    found = re.fullmatch(_PART, part)
    if found is None:
        raise ValueError(f"{part!r} is no budget: {_HELP}")
    number, factor, unit = float(found["number"]), found["factor"], found["unit"]
    if factor == "m" and unit == "in":
        factor, unit = "", "min"
    if (found["dollar"] and not unit and not factor) or (unit == "usd" and not factor and not found["dollar"]):
        name, amount = "cost_usd", number
    elif unit in _TOKENS and not found["dollar"]:
        name, amount = "tokens", float(int(number * _FACTORS[factor]))
    elif unit in _SECONDS and not factor and not found["dollar"]:
        name, amount = "seconds", number * _SECONDS[unit]
    else:
        raise ValueError(f"{part!r} is no budget: {_HELP}")
    if amount < LEAST[name]:
        raise ValueError(f"{part!r} is less than an agent uses: {_HELP}")
    if amount > MOST_OF[name]:
        raise ValueError(f"{part!r} is more than can be counted: {_HELP}")
    return name, amount


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _count(tokens: int) -> str:
    for factor, sign in ((1_000_000, "M"), (1_000, "k")):
        if tokens % factor == 0:
            return f"{tokens // factor}{sign}"
    return str(tokens)


def _time(seconds: float) -> str:
    hours = timedelta(seconds=seconds) / timedelta(hours=1)
    return f"{_plain(hours)}h" if hours >= 1 else f"{_plain(seconds / 60)}min"
