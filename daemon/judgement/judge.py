"""All that is examined of finished work, in one table: of steps, completions and resolved conflicts alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from daemon.judgement.examined import Examined
from daemon.judgement.fault import Fault
from daemon.judgement.history import lost_history
from daemon.judgement.markers import conflict_markers
from daemon.judgement.secrets import added_secrets

Check = Callable[[Examined], Awaitable[Fault | None]]

CHECKS: tuple[Check, ...] = (lost_history, conflict_markers, added_secrets)
"""In this order: the first fault goes back to the agent. Before them, and before anything is committed, comes
`unfinished`; after them the verify commands."""


async def examine(work: Examined) -> Fault | None:
    """The first thing that is wrong with the work; None: nothing is. Raises GitError."""
    for check in CHECKS:
        if found := await check(work):
            return found
    return None
