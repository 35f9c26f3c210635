"""What a repository has and a worktree of it has not: submodules, and files in Git LFS. Makima says so and goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from daemon.git.worktrees import Worktree

SHOWN = 5
SUBMODULE = "160000 "
"""The mode of such an entry in the index."""


async def peculiarities(worktree: Worktree) -> tuple[str, ...]:
    """A line for each, for the log and for the agent's prompt; to be asked before an agent has been there."""
    notes = []
    if submodules := await _submodules(worktree):
        notes.append(
            f"submodules are not checked out: {_listing(submodules)}; a setup command (`git submodule update --init`) "
            "can do it where that needs no credentials"
        )
    if pointers := await _lfs_files(worktree):
        notes.append(
            f"files in Git LFS are here as pointers: {_listing(pointers)}; their contents are neither fetched nor "
            "uploaded, so leave them as they are"
        )
    return tuple(notes)


def as_prompt(notes: Sequence[str]) -> str:
    """The same for an agent; empty where there is nothing to say."""
    return "## This repository\n" + "".join(f"- {note}\n" for note in notes) if notes else ""


async def _submodules(worktree: Worktree) -> tuple[str, ...]:
    """The paths at which other repositories belong; git leaves an empty folder there."""
    if not await _is_kept(worktree, ".gitmodules"):
        return ()
    listed = (await worktree.git("ls-files", "-z", "--stage")).names
    return tuple(entry.partition("\t")[2] for entry in listed if entry.startswith(SUBMODULE))


async def _lfs_files(worktree: Worktree) -> tuple[str, ...]:
    """The files of which git has only pointers, by the attributes in the repository's first folder."""
    if not await _is_kept(worktree, ".gitattributes"):
        return ()
    return (await worktree.git("ls-files", "-z", "--", ":(attr:filter=lfs)")).names


async def _is_kept(worktree: Worktree, path: str) -> bool:
    """Whether git knows the file; it isn't asked about one that it hasn't checked out."""
    is_there = await asyncio.to_thread(os.path.lexists, worktree.path / path)
    return is_there and bool(await worktree.tracked([path]))


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(" ".join(name.split()) for name in names[:SHOWN]) + more
