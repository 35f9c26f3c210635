"""What agents use up, added up over attempts, tasks and directives."""

from __future__ import annotations

from domain.tolerant import Tolerant


class Usage(Tolerant):
    """What an attempt, or several together, used up."""

    seconds: float = 0
    cost_usd: float = 0
    tokens: int = 0

    def __add__(self, more: Usage) -> Usage:
        return Usage(
            seconds=round(self.seconds + more.seconds, 3),
            cost_usd=round(self.cost_usd + more.cost_usd, 6),
            tokens=self.tokens + more.tokens,
        )
