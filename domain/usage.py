"""What agents use up, added up over attempts, tasks and directives; and their sessions (rule 5.2)."""

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


class ResumableSession(Tolerant):
    """An agent's session that an attempt which waits can go on with, on the machine where it is."""

    agent: str
    session: str
    """Empty: there is none, only what the attempt has used."""
    daemon: str
    usage: Usage = Usage()
    """Of the attempt so far."""
    is_finished: bool = False
    """The attempt's work is done, and its outcome is on that machine alone, since the remote could not take it."""
