"""What Makima has left on a machine, as `clean` lists it before it removes anything."""

from __future__ import annotations

from domain.value import Value


class OnlyHere(Value):
    """What `python -m daemon only-here` finds: work that no remote has."""

    daemon: str
    work: tuple[str, ...]
    """A line each: where it is, and why it is taken to be nowhere else."""


class Leftover(Value):
    """A file or folder that Makima has made."""

    path: str
    what: str
    size: int
    """Bytes that it takes on the disk."""
    work: tuple[str, ...] = ()
    """What would be lost with it, since it is nowhere else, a line each: removed with `--lose-work` alone."""
    stays: str = ""
    """Why it is not removed, and what to do about it; empty: it is."""
