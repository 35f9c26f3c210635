"""What a repository has and a worktree of it has not: submodules, and files in Git LFS. Makima says so and goes on."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.git.worktrees import Worktree

SHOWN = 5


async def peculiarities(worktree: Worktree) -> tuple[str, ...]:
    """A line for each, for the log and for the agent's prompt; to be asked before an agent has been there."""
    notes = []
    if submodules := await worktree.submodules():
        notes.append(
            f"submodules are not checked out: {_shown(submodules)}; a setup command (`git submodule update --init`) "
            "can do it where that needs no credentials"
        )
    if pointers := await worktree.lfs_files():
        notes.append(
            f"files in Git LFS are here as pointers: {_shown(pointers)}; their contents are neither fetched nor "
            "uploaded, so leave them as they are"
        )
    return tuple(notes)


def as_prompt(notes: Sequence[str]) -> str:
    """The same for an agent; empty where there is nothing to say."""
    return "## This repository\n" + "".join(f"- {note}\n" for note in notes) if notes else ""


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(" ".join(name.split()) for name in names[:SHOWN]) + more
