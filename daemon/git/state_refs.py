"""Where Makima keeps what it needs on a remote beside the branches (rule 6.7, docs/decisions/0004).

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


def published_name(task: str, attempt: int) -> str:
    """The end of the ref, in a cache alone, that holds an outcome which this machine has published."""
    return f"published/{task}/{attempt}"


PUBLISHED = f"{REFS}published/"
"""What the refs of a cache begin with whose work the remote has."""


def checkpoints_name(task: str, attempt: int) -> str:
    """What the refs of an attempt's checkpoints begin with; a delivery's name follows."""
    return f"checkpoints/{task}/{attempt}/"


def withheld_name(task: str, attempt: int) -> str:
    """What the refs begin with, in a cache alone, that hold checkpoints as they may not leave this machine."""
    return f"withheld/{task}/{attempt}/"


def left_name(task: str, attempt: int) -> str:
    """The end of the ref that holds what an attempt has committed and left beside its work."""
    return f"left/{task}/{attempt}"


LONGEST_KEPT_NAME = 200
"""Characters of a foreign ref's name that the name of its copy may repeat; servers refuse names of some thousand."""


def unverified_name(attempt: str) -> str:
    """What the ends of all refs begin with that hold what stood where state of `attempt` belongs: its state's own name,
    such as `outcomes/<task>/<number>`.
    """
    return f"unverified/{attempt}/"


def unverified_ref(place: str, attempt: str, ref: str, mark: str) -> str:
    """Where in `place` is kept what stood at `ref` and was not the attempt's; `mark` makes it unlike every other."""
    rest = name_of(ref).removeprefix(attempt).strip("/")
    # Behind the mark: whoever knows the names of earlier copies must not be able to be in the way of the next.
    return f"{place}{unverified_name(attempt)}{mark}" + (f"/{rest}" if 0 < len(rest) <= LONGEST_KEPT_NAME else "")


def name_of(ref: str) -> str:
    """The end of a ref of ours, whatever its place."""
    return next((ref.removeprefix(place) for place in PLACES if ref.startswith(place)), ref)


def in_the_way(ref: str) -> tuple[str, ...]:
    """Patterns of the refs beside which `ref` can't be: git keeps no ref inside of another one."""
    parts = ref.split("/")
    return (*("/".join(parts[:end]) for end in range(2, len(parts))), f"{ref}/*")


def in_all_places(name: str) -> tuple[str, ...]:
    """The refs, or patterns of refs, that stand for `name`."""
    return tuple(place + name for place in PLACES)
