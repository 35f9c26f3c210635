"""Whether two commits can be merged, found out in git's objects alone: no worktree, no index, no ref (rule 6.14)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.git.git import checked, commit_id
from daemon.git.quarantine import quarantine
from daemon.git.repository_cache import RepositoryCache
from domain.errors import GitError, ProcessTimedOut

MERGED_WITHIN = 60.0
"""Seconds."""
ATTRIBUTES = ".gitattributes"
LARGEST_ATTRIBUTES = 64 * 1024
_CLASHES = 1


async def unmergeable(cache: RepositoryCache, ours: str, theirs: str) -> tuple[str, ...]:
    """The paths in which git can't merge the commits, which are in the cache; empty: it can. What the trial makes is
    gone afterwards. Raises GitError, also where they have no commit in common.
    """
    sides = commit_id(ours), commit_id(theirs)
    async with quarantine(cache) as apart:
        await _attribute(apart, ours)
        argv = ("merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", *sides)
        try:
            tried = await apart.git.run(*argv, repository=apart.folder, timeout=MERGED_WITHIN)
        except ProcessTimedOut as error:
            raise GitError(str(error)) from error
    _tree, *paths = checked(tried, _CLASHES).names
    return tuple(paths) if tried.exit_code == _CLASHES else ()


async def _attribute(apart: RepositoryCache, commit: str) -> None:
    """How files are merged (`CHANGELOG.md merge=union`): a bare repository reads no commit's attributes by itself."""
    listed = (await apart.local("ls-tree", "--long", "-z", commit, "--", ATTRIBUTES)).text.rstrip("\0")
    _, kind, blob, size = listed.partition("\t")[0].split() if listed else ("", "", "", "0")
    if kind == "blob" and int(size) <= LARGEST_ATTRIBUTES:
        content = (await apart.local("cat-file", "blob", blob)).stdout
        await asyncio.to_thread(_lay, apart.folder / "info", content)


def _lay(folder: Path, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "attributes").write_bytes(content)
