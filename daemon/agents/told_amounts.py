"""What a program of one's own says that it has used, found in its output by the settings' patterns."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from daemon.agents.base import PlainStream
from daemon.agents.stream_events import Event, Totals, Used


def _with_one_group(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"{text!r} has {groups} groups, and has to have one: the number")
    return text


AmountPattern = Annotated[str, Field(max_length=1000), AfterValidator(_with_one_group)]
"""Searched in each line of the output, whatever the letter case; empty: nothing is looked for."""


class CountingStream(PlainStream):
    """Every piece of output is a piece of the log; the latest amounts in it are what the run has used so far."""

    def __init__(self, cost: str, tokens: str) -> None:
        self._cost = re.compile(cost, re.IGNORECASE) if cost else None
        self._tokens = re.compile(tokens, re.IGNORECASE) if tokens else None
        self._told_cost: float | None = None
        self._told_tokens = 0

    def read(self, line: str) -> list[Event]:
        cost, tokens = _amount(self._cost, line), _amount(self._tokens, line)
        if cost is None and tokens is None:
            return super().read(line)
        self._told_cost = self._told_cost if cost is None else cost
        self._told_tokens = self._told_tokens if tokens is None else int(tokens)
        used = Totals(self._told_cost or 0, self._told_tokens, cost_unknown=self._told_cost is None)
        return [*super().read(line), Used(used)]


def _amount(pattern: re.Pattern[str] | None, line: str) -> float | None:
    """The last number that it finds; what is none counts as not told."""
    found = [told for told in pattern.findall(line) if told] if pattern else []
    try:
        amount = float(found[-1].replace(",", "")) if found else math.nan
    except ValueError:
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None
