"""What a run of Claude Code has used: estimated by its messages until a result tells it; pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from daemon.agents.claude.lines import AssistantLine, ContentBlock, ResultLine
from daemon.agents.prices import Price, TokenCounts, priced
from daemon.agents.stream_events import Totals, Used

_CHARACTERS = 4
"""Of text in a token, on the average: a message tells its output only by what it says."""

_LEAST = 1e-6
"""USD: what two sums of the same costs may differ by."""

PriceOf = Callable[[str], Price | None]
"""The price of a model, by the name that the API gives it."""


@dataclass(frozen=True)
class _Answer:
    """One answer of the model, of which several lines tell a part each."""

    model: str
    tokens: TokenCounts
    characters: int = 0

    @property
    def estimate(self) -> TokenCounts:
        return replace(self.tokens, output=max(self.tokens.output, self.characters // _CHARACTERS))


class ClaudeCount:
    """Counts one run. Its result tells what was used since the last result; what is killed before tells nothing. The
    session's own count, told by the next run, has what SIGTERM ended, and not what SIGKILL ended: there the estimate
    stays.
    """

    def __init__(self, before: Totals, price_of: PriceOf, unsettled_usd: float = 0) -> None:
        """`before`: the session's own count when the run began; `unsettled_usd`: the estimate of what came after it."""
        self._session = before
        self._unsettled = unsettled_usd
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
        known = self._answers.get(message.id, _Answer(message.model, TokenCounts()))
        tokens = _most(known.tokens, message.usage.tokens)
        self._answers[message.id] = replace(
            known, tokens=tokens, characters=known.characters + _characters(message.content)
        )
        now = self._so_far()
        return [] if now == before else [Used(now)]

    def result(self, read: ResultLine) -> Used:
        """What was told takes the place of what was estimated since the last result."""
        told = self._session.cost_usd if read.total_cost_usd is None else max(read.total_cost_usd, 0)
        session = Totals(told, self._session.tokens)
        own, of_session = _own(read), session.since(self._session).cost_usd
        missed = max(of_session - own.cost_usd - self._unsettled, 0)
        self._told += own + Totals(missed if missed > _LEAST else 0)
        self._turns += max(read.num_turns or 0, 0)
        self._session, self._unsettled = session, 0
        self._answers.clear()
        return Used(self._told, session, self._turns)

    def _so_far(self) -> Totals:
        so_far = self._told
        for answer in self._answers.values():
            so_far += priced(self._price_of(answer.model), answer.estimate)
        return so_far


def _own(read: ResultLine) -> Totals:
    """Of this run since its last result; without a cost in a version that tells only the session's."""
    models = read.model_usage_since_last_result
    if models is None:
        tokens = max(read.usage.tokens.total if read.usage else 0, 0)
        return Totals(0, tokens, cost_unknown=read.total_cost_usd is None and tokens > 0)
    tokens, cost = sum(each.tokens for each in models.values()), sum(each.costUSD for each in models.values())
    return Totals(max(cost, 0), max(tokens, 0))


def _most(one: TokenCounts, other: TokenCounts) -> TokenCounts:
    return TokenCounts(
        input=max(one.input, other.input),
        cached=max(one.cached, other.cached),
        cache_write=max(one.cache_write, other.cache_write),
        output=max(one.output, other.output),
    )


def _characters(content: tuple[ContentBlock, ...] | str) -> int:
    if isinstance(content, str):
        return len(content)
    return sum(len(block.text) + len(block.thinking) + len(_written(block)) for block in content)


def _written(block: ContentBlock) -> str:
    return json.dumps(block.input, ensure_ascii=False) if block.input else ""
