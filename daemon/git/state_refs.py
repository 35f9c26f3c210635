"""Where Makima keeps what it needs on a remote beside the branches (SPEC 6.7, docs/decisions/0004).

Outside of what a clone fetches; as branches where a remote takes no other refs; else in the cache of this machine.
"""

from __future__ import annotations

REFS = "refs/makima/"
BRANCHES = "refs/heads/makima-state/"
PLACES = (REFS, BRANCHES)
"""On the remote, in the order in which they are tried and looked at. In a cache there are only REFS."""


def outcome_name(task: str, attempt: int) -> str:
    """The end of the ref that holds the outcome of an attempt."""
    return f"outcomes/{task}/{attempt}"


def finished_name(task: str, attempt: int) -> str:
    """The end of the ref, in a cache alone, that holds an outcome which is not published yet."""
    return f"finished/{task}/{attempt}"


def checkpoints_name(task: str, attempt: int) -> str:
    """What the refs of an attempt's checkpoints begin with; a delivery's name follows."""
    return f"checkpoints/{task}/{attempt}/"


def withheld_name(task: str, attempt: int) -> str:
    """What the refs begin with, in a cache alone, that hold checkpoints as they may not leave this machine."""
    return f"withheld/{task}/{attempt}/"


def left_name(task: str, attempt: int) -> str:
    """The end of the ref that holds what an attempt has committed and left beside its work."""
    return f"left/{task}/{attempt}"


def in_all_places(name: str) -> tuple[str, ...]:
    """The refs, or patterns of refs, that stand for `name`."""
    return tuple(place + name for place in PLACES)
