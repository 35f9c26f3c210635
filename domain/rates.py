"""What is assumed of costs that nobody tells (rule 2.10): an estimate, and marked as one wherever it is shown."""

from __future__ import annotations

from domain.tolerant import Tolerant
from domain.usage import Amount, Usage

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
