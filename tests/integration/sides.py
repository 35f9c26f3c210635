"""The daemon's own repository beside a worktree of a test, and what it saves."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.git.repository_cache import RepositoryCache
from daemon.git.side_repository import NAME, SideRepository, Snapshot
from daemon.git.worktrees import Worktree
from daemon.saving.checkpoints import UNSAVED


def side_of(worktree: Worktree, cache: RepositoryCache) -> SideRepository:
    return SideRepository(worktree.path.with_name(NAME), worktree.path, cache, worktree.runs)


async def snapshot_of(worktree: Worktree, cache: RepositoryCache) -> Snapshot:
    """What a task saves that has begun at the head of the origin's main."""
    base = await cache.branch_commit("main")
    assert base
    return await side_of(worktree, cache).snapshot([base], UNSAVED)


async def take(worktree: Worktree, cache: RepositoryCache, commit: str) -> None:
    base = await cache.branch_commit("main")
    assert base
    await side_of(worktree, cache).take(commit, [base])


async def committed(worktree: Worktree, subject: str, trailers: Mapping[str, str]) -> str:
    """The name of a new commit of everything."""
    made = await worktree.commit_all(subject, trailers)
    assert made
    return made.commit
