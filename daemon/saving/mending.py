"""A worktree's own repository as an agent has left it: made fit for git again, or made anew (rule 6.9)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from daemon import agent_files
from daemon.git.loose_ends import put_back
from daemon.git.side_repository import SideRepository, Snapshot
from daemon.git.worktrees import Worktree
from domain.errors import WorktreeBroken

LOOKS_WITHIN = 30.0
"""Seconds for a command that takes a moment."""
DAMAGED = "damaged.git"


async def mended(worktree: Worktree, side: SideRepository, snapshot: Snapshot) -> str:
    """Why the repository was made anew; empty: git can work in it. `snapshot` was made once nothing of the task ran any
    more. Raises GitError, and WorktreeBroken where a new one can't be made either.
    """
    if trouble := snapshot.trouble or await _trouble(worktree, snapshot.head):
        await remade(worktree, side, snapshot)
    return trouble


async def remade(worktree: Worktree, side: SideRepository, snapshot: Snapshot) -> None:
    """Put a new repository in the place of the worktree's own: at the snapshot's head, with the files as they are, and
    with the branches and stashes that could be saved. The old one lies beside the worktree then, for a person to look
    at. Raises like `mended`.
    """
    await asyncio.to_thread(_put_away, worktree.path / ".git", side.path.parent)
    await worktree.make_anew(side.cache.folder, snapshot.head)
    await put_back(worktree, snapshot.beside)
    await worktree.exclude(await asyncio.to_thread(side.excluded))


async def _trouble(worktree: Worktree, head: str) -> str:
    quick = replace(worktree, within=LOOKS_WITHIN)
    try:
        found = await quick.checked_head()
    except WorktreeBroken as broken:
        return str(broken)
    return "" if found == head else f"its HEAD is {found[:12]} for git, and {head[:12]} by its files"


def _put_away(git_dir: Path, beside: Path) -> None:
    if not git_dir.is_symlink() and not git_dir.exists():
        return
    taken = sum(1 for _ in beside.glob(f"{DAMAGED}*"))
    try:
        git_dir.rename(beside / f"{DAMAGED}-{taken}")
    except OSError:  # a folder that its owner may not change can't be moved
        agent_files.remove_tree(git_dir)
