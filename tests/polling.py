"""How often a test asks whether what it waits for has come."""

from __future__ import annotations

SHORTEST, LONGEST = 0.05, 2.0  # seconds
SHARE = 9
"""A tenth of a core is what asking may take: a view of a directive takes 10 ms of the worker and of Temporal, too."""


def pause(took: float) -> float:
    """Seconds until the next question, where the last one took so many: one that starts a process is asked less often,
    since what is waited for needs the same cores.
    """
    return min(max(SHORTEST, SHARE * took), LONGEST)
