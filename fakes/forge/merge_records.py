"""What the forge keeps of a pull request that it is to merge by itself, or by its merge queue."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from fakes.forge.stored import Stored

TURN_NUMBERS = 600_000
"""Added, with its place, to the id of a pull request: the id of what a forge tells of one turn."""
QUEUE_NUMBERS = 700_000
"""The same of its merge queue."""


class Turned(StrEnum):
    ON = "on"
    OFF = "off"
    """By somebody."""
    DROPPED = "dropped"
    """By the forge, as its branch was pushed to."""


class MergeTurn(Stored):
    """One time that it was turned on or off."""

    user: str
    what: Turned
    method: str = ""
    at: datetime


class AutoMerge(Stored):
    """It is merged once nothing is missing any more."""

    user: str
    """Who wants it."""
    method: str
    """As `fakes.forge.merges.Method` has it."""
    ends_with_push: bool = False
    """At a forge where a push to its branch ends it."""


class QueueReason(StrEnum):
    """Why one has left the merge queue, in GitHub's words (from memory)."""

    FAILED_CHECKS = "failed_checks"
    """Of the commit that would have been merged."""
    CONFLICT = "merge_conflict"
    """With what is before it in the queue."""
    MANUAL = "manual"
    """Somebody has taken it out."""
    MERGED = "merged"


QUEUE_BRANCHES = "gh-readonly-queue/"
"""How the branches begin that checks of what waits run for (GitHub's documentation says so; the rest from memory)."""


class QueueEntry(Stored):
    """A pull request that waits in a merge queue."""

    number: int
    head: str
    """What was put in: a push takes it out."""
    base: str
    """The base branch."""
    enqueuer: str
    at: datetime
    onto: str
    """The commit that it would be merged onto: the base branch's, or what the one before makes of that."""
    group: str
    """The commit that its base branch would be at; empty: it is in conflict with what is before it."""

    @property
    def branch(self) -> str:
        """Where checks find that commit."""
        return f"{QUEUE_BRANCHES}{self.base}/pr-{self.number}-{self.onto}"


class QueueTurn(Stored):
    """One time that it went in, or left."""

    entry: QueueEntry
    user: str
    """Who did it."""
    left: bool = False
    reason: QueueReason | None = None
    """None: it went in, or a push took it out (what GitHub calls that isn't known)."""
    at: datetime
