"""The lock of a repository's cache between processes, and when the cache was last used: one file beside it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from domain.errors import GitError
from domain.file_locks import refusal

QUARANTINE = "quarantine-"
"""What the folders in a cache begin with that hold strangers' objects for a moment (daemon.git.quarantine)."""
LOCK_POLL = 0.05
LOCK_TIMEOUT = 300.0
"""Seconds to wait for another process that uses the same cache."""


def lock_file(cache: Path) -> Path:
    return cache.with_suffix(".lock")


@asynccontextmanager
async def cache_lock(cache: Path) -> AsyncIterator[int]:
    """The lock that a second daemon, and a fetch that outlived a killed daemon, would hold: git inherits it."""
    lock = os.open(lock_file(cache), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _locking(lock, cache)
        try:
            yield lock
        finally:  # closing would not do: a credential helper that stays may have inherited the lock
            fcntl.flock(lock, fcntl.LOCK_UN)
    finally:
        os.close(lock)


def mark_used(cache: Path) -> None:
    """The cache is used at this moment; for as long as it exists it has a lock."""
    os.utime(lock_file(cache))


def last_used(cache: Path) -> float:
    """Seconds of the epoch; 0 where nobody has ever locked it."""
    try:
        return lock_file(cache).stat().st_mtime
    except FileNotFoundError:
        return 0


def try_lock(descriptor: int, file: Path) -> bool:
    """Whether the lock on the open `file` is held now; False: another process has it. Raises SettingsError where the
    file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise refusal(file.parent, error) from error
    return True


async def _locking(lock: int, cache: Path) -> None:
    try:
        async with asyncio.timeout(LOCK_TIMEOUT):
            while not try_lock(lock, lock_file(cache)):  # noqa: ASYNC110  the holder is another process, which can wake nobody here
                await asyncio.sleep(LOCK_POLL)
    except TimeoutError as error:
        raise GitError(f"{cache} is in use by another process, perhaps a second daemon") from error


def remove_leftovers(cache: Path) -> None:
    """What a git that was killed has left in the way."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/*/tmp_obj_*"):
        for leftover in cache.glob(pattern):
            leftover.unlink(missing_ok=True)
    for leftover in cache.glob(f"{QUARANTINE}*"):
        shutil.rmtree(leftover, ignore_errors=True)
