"""Objects that may be a stranger's: read in a repository of their own, within a limit, before the cache has any of it.

Whoever may push decides what lies under a ref: a blob of gigabytes, a tag, a tree. The cache lends its objects and gets
none back (docs/decisions/0010).
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.git.remote_errors import is_disk_full
from daemon.git.repositories import FETCH_TIMEOUT, QUARANTINE, RepositoryCache
from domain.errors import GitError, GitUnreachable, NotVerified, RemoteBroken, RepositoryError


@asynccontextmanager
async def quarantine(cache: RepositoryCache) -> AsyncIterator[RepositoryCache]:
    """An empty repository on the same remote, gone afterwards."""
    form = (await cache.local("rev-parse", "--show-object-format")).text
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=QUARANTINE, dir=cache.folder))
    try:
        apart = RepositoryCache(cache.git, cache.url, folder)
        await apart.local("init", "--quiet", "--bare", "--template=", f"--object-format={form}")
        (folder / "objects" / "info" / "alternates").write_text(f"{cache.folder / 'objects'}\n")
        yield apart
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, True)


async def fetch_apart(apart: RepositoryCache, ref: str, commit: str, largest: int) -> None:
    """Have what `ref` names, without its history, in the quarantine; at most `largest` bytes.

    Raises NotVerified where it can't be had or is no longer `commit`; GitUnreachable, RepositoryError; GitError where
    the disk is full.
    """
    # One pack for all, so that the limit of a file is a limit of all.
    fetch = ("-c", "fetch.unpackLimit=1", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--depth=1")
    try:
        await apart.remote(*fetch, *await apart.source(), ref, timeout=FETCH_TIMEOUT, largest_file=largest)
    except (GitUnreachable, RepositoryError):
        raise
    except RemoteBroken as error:
        raise NotVerified(str(error)) from error
    except GitError as error:
        if is_disk_full(error):
            raise
        raise NotVerified(f"it can't be fetched within {largest // 1024 // 1024} MiB") from error
    if not await is_in(apart, commit):
        raise NotVerified("it was replaced while it was read")


async def is_in(repository: RepositoryCache, name: str) -> bool:
    """Whether an object of any kind is there."""
    return (await repository.local("cat-file", "-e", name, also=(1, 128))).exit_code == 0
