"""Removing a folder in which anything may lie, and be put meanwhile.

By descriptors: a folder that is swapped for a link while it is removed leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REMOVED_WITHIN = 60.0
"""Seconds for the removal of one tree; what is left then is left to the next try."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_folder(path: Path) -> bool:
    """Whether a folder is there, and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def remove_tree(path: Path, within: float = REMOVED_WITHIN) -> None:
    """Remove the folder with all that is in it, whatever its depth and modes; nothing to do where there is none.

    Raises OSError, after `within` seconds TimeoutError: then what is left is still to be removed.
    """
    if not is_folder(path):
        with suppress(FileNotFoundError):
            path.unlink()
        return
    until = time.monotonic() + within
    parent = os.open(path.parent, _FOLDER)
    try:
        _remove_below(parent, path.name, until)
    finally:
        os.close(parent)


def _remove_below(parent: int, name: str, until: float) -> None:
    """Remove the folder `name` in `parent`. With two descriptors at a time, whatever the depth: the way up is `..`,
    and is taken only where it leads to where the way down came from.
    """
    at = os.dup(parent)
    way = [_Level(_identity(at), [name])]
    try:
        while way:
            if time.monotonic() > until:
                raise TimeoutError(errno.ETIMEDOUT, "the folder could not be removed in time")
            level = way[-1]
            if level.is_entered:
                os.rmdir(level.folders.pop(), dir_fd=at)
                level.is_entered = False
            elif level.folders:
                level.is_entered = True
                at = _moved(at, _unlocked(level.folders[-1], at))
                way.append(_Level(_identity(at), _emptied(at)))
                continue
            if not level.folders:
                way.pop()
                if not way:
                    return
                at = _moved(at, os.open("..", _FOLDER, dir_fd=at) if len(way) > 1 else os.dup(parent))
                if _identity(at) != way[-1].identity:
                    raise OSError(errno.ESTALE, "the folder was moved while it was removed")
    finally:
        os.close(at)


@dataclass
class _Level:
    """A folder on the way down."""

    identity: tuple[int, int]
    folders: list[str]
    """In it, and still to be removed."""
    is_entered: bool = False
    """The last of them is being emptied."""


def _moved(at: int, to: int) -> int:
    os.close(at)
    return to


def _identity(at: int) -> tuple[int, int]:
    found = os.fstat(at)
    return found.st_dev, found.st_ino


def _emptied(at: int) -> list[str]:
    """The folders that are left where everything else is removed."""
    return [name for name in os.listdir(at) if not _unlinked(name, at)]


def _unlinked(name: str, at: int) -> bool:
    """Whether it was no folder, and is gone."""
    try:
        os.unlink(name, dir_fd=at)
    except IsADirectoryError:
        return False
    except FileNotFoundError:
        return True
    return True


def _unlocked(name: str, at: int) -> int:
    """The folder `name` in `at`, opened, once its owner may change it: package caches make folders read-only."""
    with suppress(PermissionError):
        found = os.open(name, _FOLDER, dir_fd=at)
        if os.fstat(found).st_mode & stat.S_IRWXU == stat.S_IRWXU:
            return found
        os.close(found)
    path = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    try:
        # The only way to a mode of what was opened without the right to read it.
        Path(f"/proc/self/fd/{path}").chmod(stat.S_IRWXU)
        return os.open(f"/proc/self/fd/{path}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(path)
