"""Downloads that all tasks read, and that no task writes for another one: each has folders of its own for what it adds,
in which links lead to what the machine has (docs/decisions/0044-shared-downloads.md).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from daemon.tool_chains.credentials import Identity, holds_credentials
from daemon.tool_chains.places import MachinePlaces
from daemon.tool_chains.tool_chain import DownloadCache

MOST = 20_000
"""Entries of one cache that a task is given; there are no more of them than a second or two makes."""
COPIED = 32 * 1024
"""Bytes: what is smaller is copied, since tools change their small files (indexes, marks) in place."""
_LOOKED, _DEEPEST = 5000, 3
"""Of a project: entries and folders."""
_NEVER = ("*.lock", "*.lck", "*.part", "*.tmp")
"""What belongs to whoever writes at this moment."""


@dataclass(frozen=True)
class FoundCache:
    """What of a download cache is shared."""

    folder: Path
    """Its real path."""
    shared: tuple[Path, ...]
    """Files and folders in it, by their real paths; a sandbox shows them, to be read."""
    rule: DownloadCache


def find_cache(rule: DownloadCache, places: MachinePlaces, chain_folder: Path | None) -> FoundCache | None:
    """None where there is none, or what is there may be more than a cache."""
    folder = places.first_folder(rule.variable, rule.folders, chain_folder)
    if folder is None or places.is_too_wide(folder.resolve()):
        return None
    real = folder.resolve()
    # A link to another disk is usual; one to another folder of the user's shows what was never meant.
    if folder.is_symlink() and real.is_relative_to(places.home.resolve()):
        return None
    matches = (each for pattern in rule.share for each in sorted(real.glob(pattern)))
    shared = tuple(each for each in matches if each.resolve() == each and not holds_credentials(each))
    return FoundCache(real, shared, rule) if shared else None


def lay_out(found: FoundCache, own: Path, known: frozenset[Identity]) -> bool:
    """Make the task's own folder below `own`, which is new, with all that is shared; False where that is too much: then
    the task begins with an empty one. Blocking.
    """
    target = own / found.rule.own
    for count, (source, is_fixed) in enumerate(_entries(found)):
        if count == MOST:
            shutil.rmtree(target, ignore_errors=True)
            return False
        with suppress(OSError):  # another process of the user may remove it at this moment
            _lay(source, target / source.relative_to(found.folder), is_fixed, known)
    return True


def is_used_in(rule: DownloadCache, worktree: Path) -> bool:
    """Whether the project in a worktree has a file by which those are known that use this cache. Follows no link."""
    folders = [(worktree, 0)]
    looked = 0
    while folders and looked < _LOOKED:
        folder, depth = folders.pop(0)
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                looked += 1
                if any(fnmatchcase(entry.name, name) for name in rule.projects):
                    return True
                if depth < _DEEPEST and entry.is_dir(follow_symlinks=False) and entry.name != ".git":
                    folders.append((Path(entry.path), depth + 1))
    return not rule.projects


def _lay(source: Path, at: Path, is_fixed: bool, known: frozenset[Identity]) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    status = source.lstat()
    if (status.st_dev, status.st_ino) in known:
        return
    if source.is_symlink():
        at.symlink_to(source.readlink())
    elif is_fixed or status.st_size > COPIED:
        at.symlink_to(source)
    else:
        shutil.copyfile(source, at, follow_symlinks=False)


def _entries(found: FoundCache) -> Iterator[tuple[Path, bool]]:
    """The files and links below what is shared, and whether nobody changes them."""
    folders = [(each, False) for each in found.shared if not each.is_file()]
    yield from ((each, False) for each in found.shared if each.is_file())
    while folders:
        folder, is_fixed = folders.pop()
        relative = str(folder.relative_to(found.folder))
        is_fixed = is_fixed or any(fnmatchcase(relative, pattern) for pattern in found.rule.fixed)
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((Path(entry.path), is_fixed))
                elif not (holds_credentials(Path(entry.path)) or any(fnmatchcase(entry.name, n) for n in _NEVER)):
                    yield Path(entry.path), is_fixed
