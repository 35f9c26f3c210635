"""Whether a forge may be asked to merge by itself (rule 7.5): the forge remembers who has turned that on and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.forges.remarks import is_by
from daemon.forges.said import User


@dataclass(frozen=True)
class Switched:
    """One time that it was turned on or off."""

    on: bool
    by: User | None = None
    by_forge: bool = False
    """Off, since the branch was pushed to or another rule of the forge's own: no person has meant it."""


def why_off(turns: Sequence[Switched], me: str) -> str:
    """Why it is not to be turned on, where it is off now and these are its `turns`, oldest first; empty: it may be.
    Where the forge doesn't tell who has turned it off, a person has. `me`: our own login, empty where it isn't known.
    """
    if not turns:
        return ""
    last = turns[-1]
    if last.on:
        return "it was set before, and the forge doesn't say who has turned it off"
    if last.by_forge or (me and is_by(last.by, me)):
        return ""
    return f"{last.by.login if last.by else 'somebody'} has turned it off"
