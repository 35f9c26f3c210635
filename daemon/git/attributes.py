"""What a commit's own .gitattributes say, asked in the cache: no setting of a worktree takes part."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.git.repositories import RepositoryCache


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
