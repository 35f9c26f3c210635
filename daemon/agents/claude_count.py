"""What a run of Claude Code has used: estimated by its messages until a result tells it; pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from daemon.agents.claude_lines import AssistantLine, Block, ResultLine
from daemon.agents.events import Totals, Used
from daemon.agents.prices import Price, Tokens

_CHARACTERS = 4
"""Of text in a token, on the average: a message tells its output only by what it says."""

PriceOf = Callable[[str], Price | None]
"""The price of a model, by the name that the API gives it."""


@dataclass(frozen=True)
class _Answer:
    """One answer of the model, of which several lines tell a part each."""

    model: str
    tokens: Tokens
    characters: int = 0

    @property
    def estimate(self) -> Tokens:
        return replace(self.tokens, output=max(self.tokens.output, self.characters // _CHARACTERS))


class ClaudeCount:
    """Counts one run. Its result tells what was used since the last result; what is killed before tells nothing, and
    the session's own count never learns of it either: then the estimate stays.
    """

    def __init__(self, before: Totals, price_of: PriceOf) -> None:
        """`before`: the session's own count when the run began."""
        self._session = before
        self._price_of = price_of
        self._told = Totals()
        self._turns = 0
        self._answers: dict[str, _Answer] = {}

    def message(self, read: AssistantLine) -> list[Used]:
        """Nothing where the line adds nothing."""
        message = read.message
        if message.usage is None or not message.usage.tokens.total:
            return []  # what it says itself, of an error
        before = self._so_far()
        known = self._answers.get(message.id, _Answer(message.model, Tokens()))
        tokens = _most(known.tokens, message.usage.tokens)
        self._answers[message.id] = replace(
            known, tokens=tokens, characters=known.characters + _characters(message.content)
        )
        now = self._so_far()
        return [] if now == before else [Used(now)]

    def result(self, read: ResultLine) -> Used:
        """What was told takes the place of what was estimated since the last result."""
        self._told += self._since_last_result(read)
        self._turns += max(read.num_turns, 0)
        self._session = Totals(max(read.total_cost_usd or 0, 0), self._session.tokens)
        self._answers.clear()
        return Used(self._told, self._session, self._turns)

    def _since_last_result(self, read: ResultLine) -> Totals:
        models = read.model_usage_since_last_result
        if models is None:
            tokens = read.usage.tokens.total if read.usage else 0
            cost = max(read.total_cost_usd or 0, 0) - self._session.cost_usd
            return Totals(cost if cost >= 0 else max(read.total_cost_usd or 0, 0), max(tokens, 0))
        tokens, cost = sum(each.tokens for each in models.values()), sum(each.costUSD for each in models.values())
        return Totals(max(cost, 0), max(tokens, 0))

    def _so_far(self) -> Totals:
        so_far = self._told
        for answer in self._answers.values():
            price = self._price_of(answer.model)
            so_far += Totals(price.of(answer.estimate) if price else 0, answer.estimate.total)
        return so_far


def _most(one: Tokens, other: Tokens) -> Tokens:
    return Tokens(
        input=max(one.input, other.input),
        cached=max(one.cached, other.cached),
        cache_write=max(one.cache_write, other.cache_write),
        output=max(one.output, other.output),
    )


def _characters(content: tuple[Block, ...] | str) -> int:
    if isinstance(content, str):
        return len(content)
    return sum(len(block.text) + len(block.thinking) + len(_written(block)) for block in content)


def _written(block: Block) -> str:
    return json.dumps(block.input, ensure_ascii=False) if block.input else ""
