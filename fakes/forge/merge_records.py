"""What the forge keeps of a pull request that it is to merge by itself."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from fakes.forge.stored import Stored

TURN_NUMBERS = 600_000
"""Added, with its place, to the id of a pull request: the id of what a forge tells of one turn."""


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
