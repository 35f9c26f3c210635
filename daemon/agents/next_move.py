"""What follows from the way an agent's run ended: accept it, go on with its session, or begin a new one; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from daemon.agents.stream_events import Ending

NETWORK_WAITS = (2.0, 10.0, 30.0, 60.0)
"""Seconds before each further try while the model doesn't answer; then the task waits without holding a slot."""
MOST_RESUMES = 1
MOST_HANDOVERS = 2


class Move(StrEnum):
    ACCEPT = "accept"
    RESUME = "resume"
    """The same session, which knows what it was doing."""
    HAND_OVER = "hand over"
    """A new session, told what the last one has done."""


@dataclass(frozen=True)
class Tried:
    """What has been tried since the agent was last asked something new."""

    waits: int = 0
    resumes: int = 0
    handovers: int = 0


def next_move(ending: Ending, tried: Tried) -> tuple[Move, float, Tried]:
    """The move, how many seconds to wait before it, and what has been tried then."""
    handed_over = replace(tried, handovers=tried.handovers + 1)
    match ending:
        case Ending.NETWORK if tried.waits < len(NETWORK_WAITS):
            return Move.RESUME, NETWORK_WAITS[tried.waits], replace(tried, waits=tried.waits + 1)
        case Ending.CRASHED | Ending.HUNG if tried.resumes < MOST_RESUMES:
            return Move.RESUME, 0, replace(tried, resumes=tried.resumes + 1)
        case Ending.CRASHED | Ending.HUNG if not tried.handovers:
            return Move.HAND_OVER, 0, handed_over
        case Ending.CONTEXT | Ending.UNKNOWN_SESSION if tried.handovers < MOST_HANDOVERS:
            return Move.HAND_OVER, 0, handed_over
    return Move.ACCEPT, 0, tried
