"""How often a test asks whether what it waits for has come."""

from __future__ import annotations

SHORTEST, LONGEST = 0.05, 1.0  # seconds
SHARE = 4


def pause(took: float) -> float:
    """Seconds until the next question, where the last one took so many: one that starts a process is asked less often,
    since what is waited for needs the same cores.
    """
    return min(max(SHORTEST, SHARE * took), LONGEST)
