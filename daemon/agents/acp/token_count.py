"""What a run has used, by what its agent tells: some tell tokens, some a price, some nothing; pure."""

from __future__ import annotations

import math

from daemon.agents.acp.frames import Cost, Stopped, TokenUsage, Update, read_as
from daemon.agents.prices import Price, TokenCounts, priced
from daemon.agents.stream_events import Totals, Used


class AcpCount:
    """One run. A cost is told for the session over all its runs, tokens for a turn."""

    def __init__(self, before: Totals, price: Price | None) -> None:
        self._before = before
        self._price = price
        self._cost: float | None = None
        self._turn = TokenCounts()

    def told_cost(self, cost: Cost) -> list[Used]:
        """Nothing for what is no amount of USD: no other currency is counted."""
        if cost.currency not in ("", "USD") or not math.isfinite(cost.amount) or cost.amount < 0:
            return []
        self._cost = cost.amount
        return [self._used()]

    def told_by(self, update: Update) -> list[Used]:
        """What some agents say of an answer of the model, at the end of its text."""
        usage = read_as(TokenUsage, (update.meta or {}).get("usage"))
        if usage is None or not usage.totalTokens:
            return []
        self._turn = _sum(self._turn, _counts(usage))
        return [self._used()]

    def stopped(self, read: Stopped) -> list[Used]:
        """The turn is over: what is told of the whole counts in place of its parts."""
        if read.usage and read.usage.totalTokens:
            self._turn = _counts(read.usage)
        elif read.meta and read.meta.quota and (counted := read.meta.quota.token_count):
            self._turn = TokenCounts(input=max(counted.input_tokens, 0), output=max(counted.output_tokens, 0))
        return [self._used()] if self._turn.total or self._cost is not None else []

    def _used(self) -> Used:
        turn = priced(self._price, self._turn)
        session = self._before + turn
        if self._cost is not None:
            session = Totals(self._cost, session.tokens)
        return Used(session.since(self._before), session)


def _counts(usage: TokenUsage) -> TokenCounts:
    """Some count what was read from the cache as input, too: then the sum says so."""
    cached, written = max(usage.cachedReadTokens or 0, 0), max(usage.cachedWriteTokens or 0, 0)
    given, output = max(usage.inputTokens, 0), max(usage.outputTokens, 0)
    if usage.totalTokens and usage.totalTokens == given + output:
        given = max(given - cached - written, 0)
    return TokenCounts(given, cached, written, output)


def _sum(one: TokenCounts, other: TokenCounts) -> TokenCounts:
    return TokenCounts(
        one.input + other.input,
        one.cached + other.cached,
        one.cache_write + other.cache_write,
        one.output + other.output,
    )
