"""The commits that an agent's repository names beside HEAD, read as data; part of the program `snapshot`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from daemon.git.agents_git import is_folder, plain, walked

MOST = 20
"""That a snapshot holds."""
LOOKED_AT = 2000
"""Refs, and lines of a reflog, that are read."""
_LARGEST = 64 * 1024**2
_REF = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]{1,250}")
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class LeftIn(StrEnum):
    """Where a commit was left."""

    BRANCH = "branch"
    TAG = "tag"
    NOTES = "notes"
    STASH = "stash"
    WORKTREE = "worktree"
    DETACHED = "commits on no branch"
    """Left by a checkout of something else."""
    DISCARDED = "discarded commits"
    """Left by a reset, or rewritten: the agent has taken them back."""


PLACES = {"refs/heads/": LeftIn.BRANCH, "refs/tags/": LeftIn.TAG, "refs/notes/": LeftIn.NOTES}
AGAIN = "refs/makima/left/"
"""Where a commit on no branch lies in a worktree that was made again."""


class LooseEnd(NamedTuple):
    """A commit, and where the agent has left it."""

    kind: LeftIn
    commit: str
    name: str

    def __str__(self) -> str:
        is_named = self.kind not in (LeftIn.DETACHED, LeftIn.DISCARDED)
        return f"{self.kind}{f' {self.name!r}' if is_named else ''} ({self.commit[:12]})"


def loose_ends() -> Iterator[LooseEnd]:
    """What there may be, in the order in which one place is better to name than another. A tag may be an object of its
    own, and nothing says that any of it is there. What can't be read is left out.
    """
    refs = _refs()
    for place, kind in {**PLACES, AGAIN: LeftIn.DETACHED}.items():
        yield from (LooseEnd(kind, at, ref[len(place) :]) for ref, at in refs.items() if ref.startswith(place))
    yield from (LooseEnd(LeftIn.STASH, new, said) for _, new, said in reversed(_moves("logs/refs/stash")))
    if stash := refs.get("refs/stash"):
        yield LooseEnd(LeftIn.STASH, stash, "stash")
    yield from (LooseEnd(LeftIn.WORKTREE, at, name) for name in _folders("worktrees") if (at := _head_of(name, refs)))
    for old, _, said in reversed(_moves("logs/HEAD")):
        if said.startswith("checkout:"):
            yield LooseEnd(LeftIn.DETACHED, old, said)


def _refs() -> dict[str, str]:
    """Ref → object."""
    found: dict[str, str] = {}
    for line in _read("packed-refs").splitlines()[:LOOKED_AT]:
        at, _, ref = line.partition(" ")
        found[ref] = at
    for at, folders, files in walked(".git/refs"):
        folders.sort()
        for name in sorted(files):
            ref = f"{at[len('.git/') :]}/{name}"
            found[ref] = _read(ref).strip()
        if len(found) > LOOKED_AT:
            break
    return {ref: at for ref, at in found.items() if _OBJECT.fullmatch(at) and _REF.fullmatch(ref)}


def _moves(log: str) -> list[tuple[str, str, str]]:
    """Old object, new one and what was said, of the newest lines of a reflog, oldest first."""
    moves = []
    for line in _read(log).splitlines()[-LOOKED_AT:]:
        told, _, said = line.partition("\t")
        old, new = [*told.split(" ", 2), "", ""][:2]
        if _OBJECT.fullmatch(old) and _OBJECT.fullmatch(new):
            moves.append((old, new, said[:200]))
    return moves


def _folders(name: str) -> list[str]:
    return sorted(os.listdir(f".git/{name}"))[:MOST] if is_folder(f".git/{name}") else []


def _head_of(worktree: str, refs: dict[str, str]) -> str:
    said = _read(f"worktrees/{worktree}/HEAD").strip()
    at = refs.get(said.removeprefix("ref: "), "") if said.startswith("ref: ") else said
    return at if _OBJECT.fullmatch(at) else ""


def _read(path: str) -> str:
    try:
        return plain(f".git/{path}", _LARGEST).decode(errors="replace")
    except OSError:
        return ""
