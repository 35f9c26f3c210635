"""What commits hold and their .gitattributes say, asked in the cache: nothing that an agent has set up takes part."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.git.arguments import batches
from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from domain.models import Work


async def attribute(cache: RepositoryCache, commit: str, name: str, paths: Sequence[str]) -> dict[str, str]:
    """Path → the attribute's value, of those of `paths` for which it is given. Raises GitError."""
    if not paths:
        return {}
    asked = "\0".join(paths).encode(errors="surrogateescape")
    async with index_of(cache, commit) as env:
        told = await cache.local("check-attr", "--cached", "-z", "--stdin", name, stdin=asked, env=env)
    values = zip(told.names[0::3], told.names[2::3], strict=True)
    return {path: value for path, value in values if value not in ("unspecified", "unset")}


@asynccontextmanager
async def index_of(cache: RepositoryCache, tree: str) -> AsyncIterator[dict[str, str]]:
    """The environment in which git's commands work on an index of their own, which is as `tree`."""
    with tempfile.TemporaryDirectory(dir=cache.folder, prefix="makima-index-") as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        await cache.local("read-tree", tree, env=env)
        yield env


async def measured(cache: RepositoryCache, branch: str, base: str, head: str, replaces: str, since: str = "") -> Work:
    """The work of `branch`; files count as changed since the commit `since` (empty: `base`). All of them must be in
    the cache. Raises GitError.
    """
    commits = (await cache.local("rev-list", "--count", f"{commit_id(base)}..{commit_id(head)}")).text
    files = (await cache.local("diff", "--name-only", "-z", "--no-renames", commit_id(since or base), head)).names
    return Work(branch=branch, base=base, head=head, commits=int(commits), files_changed=len(files), replaces=replaces)


async def touches(cache: RepositoryCache, base: str, head: str, paths: Sequence[str]) -> bool:
    """Whether a commit that `head` holds and `base` doesn't changes one of `paths`."""
    asked = ("--literal-pathspecs", "rev-list", "--max-count=1", f"{commit_id(base)}..{commit_id(head)}", "--")
    for some in batches(paths):
        if (await cache.local(*asked, *some)).text:
            return True
    return False
