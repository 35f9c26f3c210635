"""Objects that may be a stranger's: looked at in a place of their own before the cache has any of it.

Whoever may push decides what lies under a ref: a blob of gigabytes, a tag, a tree. The cache lends its objects and gets
none back (docs/decisions/0010).
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from daemon.git import empty_repository
from daemon.git.agents_git import quoted
from daemon.git.cache_lock import QUARANTINE
from daemon.git.git import checked, no_room
from daemon.git.objects import algorithm_of
from daemon.git.remote_errors import is_disk_full
from daemon.git.repository_cache import FETCH_TIMEOUT, RepositoryCache
from daemon.process.run import Finished
from domain.errors import GitError, GitUnreachable, NotVerified, RemoteBroken, RepositoryError, WorktreeBroken

UNPACKED = 100
"""Objects of a pack that are kept one by one, as git does it after a fetch: a cache of thousands of packs is slow."""
_PACK_HEADER = 12
_BEGINNING = 1024
"""Bytes of an object."""


@asynccontextmanager
async def quarantine(cache: RepositoryCache) -> AsyncIterator[RepositoryCache]:
    """An empty repository on the same remote, gone afterwards."""
    algorithm = await algorithm_of(cache)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=QUARANTINE, dir=cache.folder))
    try:
        apart = RepositoryCache(cache.git, cache.url, folder)
        await asyncio.to_thread(empty_repository.lay_out, folder, cache.folder, is_sha256=algorithm == "sha256")
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


async def receive(cache: RepositoryCache, pack: Path, commit: str) -> None:
    """Take in a pack that was made in a sandbox (`daemon.git.side_repository`), as one that a stranger sends: every
    object is looked through, and all that it links to must be here. WorktreeBroken where it isn't what git takes,
    or lacks `commit`.
    """
    with await asyncio.to_thread(pack.open, "rb", 0) as file:  # git reads on from where we stop, by the descriptor
        header = await asyncio.to_thread(file.read, _PACK_HEADER)
        count = int.from_bytes(header[8:12], "big")
        await asyncio.to_thread(file.seek, 0)
        if count < UNPACKED:
            taken = await _unpacked(cache, file, commit)
        else:
            many = ("index-pack", "--strict", "--fix-thin", "--stdin")
            taken = await cache.git.run(*many, repository=cache.folder, stdin=file, timeout=FETCH_TIMEOUT)
    if taken.exit_code != 0 and not no_room(taken.stderr):
        raise WorktreeBroken(f"what the agent has committed is not whole: {taken}")
    checked(taken)
    if not await asyncio.to_thread(loose_commit, cache.folder, commit) and await cache.missing([commit]):
        raise WorktreeBroken(f"the commit {commit} is not in the agent's repository")


def loose_commit(cache: Path, name: str) -> bytes:
    """How the commit begins, if it is in a file of its own in the cache; empty: it isn't, or is no commit."""
    try:
        with (cache / "objects" / name[:2] / name[2:]).open("rb") as file:
            read = zlib.decompressobj().decompress(file.read(_BEGINNING), _BEGINNING)
    except (OSError, zlib.error):
        return b""
    return read.partition(b"\0")[2] if read.startswith(b"commit ") else b""


async def _unpacked(cache: RepositoryCache, pack: IO[bytes], commit: str) -> Finished:
    """git looks at what it has unpacked once it is all there: so in a folder of its own, from which nothing that it
    refuses comes here. The commit comes last: where it is, all of it is.
    """
    apart = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=QUARANTINE, dir=cache.folder))
    ours = cache.folder / "objects"
    env = {"GIT_OBJECT_DIRECTORY": str(apart), "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(str(ours))}
    few = ("unpack-objects", "-q", "--strict")
    try:
        taken = await cache.git.run(*few, repository=cache.folder, stdin=pack, timeout=FETCH_TIMEOUT, env=env)
        if taken.exit_code == 0:
            await asyncio.to_thread(_move_objects, apart, ours, commit)
        return taken
    finally:
        await asyncio.to_thread(shutil.rmtree, apart, ignore_errors=True)


def _move_objects(source: Path, target: Path, last: str) -> None:
    for file in sorted(source.glob("??/*"), key=lambda file: file.parent.name + file.name == last):
        folder = target / file.parent.name
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
