"""A login is shared by links: a copy of a refresh token would end the others'."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path, PurePath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def link(state: Path, name: str, target: Path) -> None:
    """Make `name` below `state`, which an agent can write, a link to `target`, in place of whatever is there.

    The folders on its way are made, in place of what an agent has put there. OSError where the disk is full.
    """
    *parents, last = PurePath(name).parts
    at = os.open(state, _FOLDER)
    try:
        for parent in parents:
            inner = _folder(at, parent)
            os.close(at)
            at = inner
        with suppress(OSError):
            if os.readlink(last, dir_fd=at) == str(target):
                return
        _remove(at, last)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, last, dir_fd=at)
    finally:
        os.close(at)


def _folder(at: int, name: str) -> int:
    """The folder of this name, opened, without following a link."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)
    try:
        return os.open(name, _FOLDER, dir_fd=at)
    except OSError:  # a link, or a file
        os.unlink(name, dir_fd=at)
        os.mkdir(name, 0o700, dir_fd=at)
        return os.open(name, _FOLDER, dir_fd=at)


def _remove(at: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=at)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        shutil.rmtree(name, dir_fd=at)
