"""How much work is between two commits, counted in the cache, where nothing that an agent has set up takes part."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.git.git import commit_id
from daemon.git.repositories import RepositoryCache
from domain.models import Work


async def measured(cache: RepositoryCache, branch: str, base: str, head: str, replaces: str, since: str = "") -> Work:
    """The work of `branch`; files count as changed since the commit `since` (empty: `base`). All of them must be in
    the cache. Raises GitError.
    """
    commits = (await cache.local("rev-list", "--count", f"{commit_id(base)}..{commit_id(head)}")).text
    files = (await cache.local("diff", "--name-only", "-z", "--no-renames", commit_id(since or base), head)).names
    return Work(branch=branch, base=base, head=head, commits=int(commits), files_changed=len(files), replaces=replaces)


async def touches(cache: RepositoryCache, base: str, head: str, paths: Sequence[str]) -> bool:
    """Whether a commit that `head` holds and `base` doesn't changes one of `paths`."""
    if not paths:
        return False
    asked = ("--literal-pathspecs", "rev-list", "--max-count=1", f"{commit_id(base)}..{commit_id(head)}", "--", *paths)
    return bool((await cache.local(*asked)).text)
