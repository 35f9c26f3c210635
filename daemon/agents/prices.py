"""What tokens cost, where the operator has said so: for agents that name no cost, and runs that are cut off; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

from daemon.agents.stream_events import Totals
from domain.value import Value

MILLION = 1_000_000
ANY = "any"
"""The model that stands for all that have no price of their own."""

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class TokenCounts:
    """By what is paid for them; none is in two of these."""

    input: int = 0
    cached: int = 0
    """Read from the cache."""
    cache_write: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        return self.input + self.cached + self.cache_write + self.output


class Price(Value):
    """Of one model, in USD for a million tokens."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    """Read from the cache; None, here and below: as other input."""
    cache_write: Dollars | None = None

    def of(self, tokens: TokenCounts) -> float:
        """What they cost, in USD."""
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        read = tokens.input * self.input + tokens.cached * cached + tokens.cache_write * written
        return (read + tokens.output * self.output) / MILLION


def priced(price: Price | None, tokens: TokenCounts) -> Totals:
    """What was used; of tokens without a price nobody knows the cost."""
    return Totals(price.of(tokens) if price else 0, tokens.total, cost_unknown=price is None and tokens.total > 0)


Prices: TypeAlias = Mapping[str, Price]
"""Model → price."""


def price_for(prices: Prices, *models: str) -> Price | None:
    """The price of the first of these names of a model that has one, else the one of any; None: nobody knows it."""
    return next((prices[model] for model in (*models, ANY) if model in prices), None)
