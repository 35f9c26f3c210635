"""Merges of a base branch into a branch of ours, where git makes them without anybody's help (rule 7.5)."""

from __future__ import annotations

from datetime import UTC, datetime

from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from daemon.git.signed_commits import signed

_CLASHES = 1
MOST_UPDATES = 20
"""Since the newest push of work: a branch that is brought up to date so often is one that nobody merges."""


async def updated(cache: RepositoryCache, head: str, base_head: str, base: str) -> str:
    """A merge of `base_head`, which is the commit of the branch `base`, into `head`; empty where git can't make it
    alone. Both must be in the cache. Raises GitError, SigningFailed.
    """
    tree = await _merged(cache, head, base_head)
    if not tree:
        return ""
    said = f"Bring up to date with {base}"
    parents = ("-p", commit_id(head), "-p", commit_id(base_head))
    return await signed(cache, (await cache.local("commit-tree", tree, *parents, "-m", said)).text)


async def updates_of(cache: RepositoryCache, head: str, work: str, base_head: str) -> list[datetime] | None:
    """When `work` was brought up to date, the newest first, where `head` holds nothing but it and such merges of what
    the base branch holds; None: it holds something else. `base_head` must be in the cache. Raises GitError.
    """
    made: list[datetime] = []
    while head != work:
        if len(made) == MOST_UPDATES or not await cache.within_reach(head):
            return None
        parents, tree, at = await _described(cache, head)
        if len(parents) != 2 or not await cache.holds(base_head, parents[1]):
            return None
        if tree != await _merged(cache, *parents):
            return None
        made.append(at)
        head = parents[0]
    return made


async def _described(cache: RepositoryCache, commit: str) -> tuple[list[str], str, datetime]:
    asked = await cache.local("show", "--no-patch", "--format=%T %ct %P", commit_id(commit))
    tree, at, *parents = asked.text.split()
    return parents, tree, datetime.fromtimestamp(int(at), UTC)


async def _merged(cache: RepositoryCache, ours: str, theirs: str) -> str:
    """The tree that git makes of both; empty where they are in conflict."""
    sides = commit_id(ours), commit_id(theirs)
    tried = await cache.local("merge-tree", "--write-tree", "--no-messages", *sides, also=(_CLASHES,))
    return "" if tried.exit_code == _CLASHES else tried.text
