"""Which files hold credentials, by their names, and where they lie in a folder."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path

_FILES = frozenset(
    (
        *(".npmrc", "npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmrc", "pip.conf", "pip.ini", ".pypirc", ".netrc", "_netrc"),
        *("uv.toml", ".condarc", "auth.toml", "auth.json", ".git-credentials", ".gitconfig", ".curlrc", ".wgetrc"),
        *("credentials", "credentials.toml", "credentials.json", "credentials.xml", "credentials.tfrc.json"),
        *("settings.xml", "settings-security.xml", "gradle.properties", "gemrc", ".gemrc", "nuget.config"),
        *(".dockercfg", ".pgpass", ".env", ".envrc", "hosts.yml", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"),
    )
)
_PATTERNS = re.compile("|".join(map(translate, (".env.*", "*.pfx", "*.p12", "*.kdbx", "*.keystore"))))
"""One expression: it is matched with the name of every file that a machine's tool chains have."""
_FOLDERS = frozenset((".aws", ".azure", ".docker", ".gnupg", ".kube", ".ssh", ".password-store", "gcloud"))
_IN_FOLDER = {".bundle": "config", ".git": "config", ".gem": "credentials", ".cargo": "config.toml", "cargo": "config"}
"""Folder → its file that may hold a password, whose name alone says nothing."""
MOST = 500
"""Files with such a name in one tool chain; one that has more is not shown."""
SETTLED = 2 * 10**9
"""Nanoseconds."""


def holds_credentials(path: Path) -> bool:
    """Whether a file or folder of this name is one that holds credentials."""
    return _is_named_so(path.parent.name, path.name)


def is_private(path: Path) -> bool:
    """Whether it lies in a folder that holds credentials, whatever is in it."""
    return not _FOLDERS.isdisjoint(path.parts)


def _is_named_so(folder: str, name: str) -> bool:
    lower = name.lower()
    if lower in _FILES or lower in _FOLDERS or _IN_FOLDER.get(folder) == name:
        return True
    return _PATTERNS.match(lower) is not None


Identity = tuple[int, int]
"""Of a file, whatever it is called: device and inode."""


def credentials_of_home(home: Path) -> frozenset[Identity]:
    """The files with credentials in a home folder and the folders directly in it, and below `.ssh`, `.aws` and such: a
    hard link to one is the same file by another name.
    """
    found: set[Identity] = set()
    for folder in (home, *_folders(home), *_folders(home / ".config")):
        for entry in _entries(folder):
            if folder.name in _FOLDERS or _is_named_so(folder.name, entry.name):
                with suppress(OSError):  # a link that leads nowhere, or where this user may not look
                    status = Path(entry.path).stat()
                    found |= {_identity(status)} if stat.S_ISREG(status.st_mode) else set()
    return frozenset(found)


class CredentialFinder:
    """Finds them again and again: a folder that has not changed since is not read a second time."""

    def __init__(self) -> None:
        self._known: frozenset[Identity] = frozenset()
        self._read: dict[str, _Folder] = {}

    def find(self, tree: Path, known: frozenset[Identity]) -> Iterator[Path]:
        """Every file and folder below `tree` that holds credentials by its name, or is one of `known`. Follows no link:
        what one leads to isn't shown by it.
        """
        if known != self._known:
            self._known, self._read = known, {}
        folders = [str(tree)]
        while folders:
            path = folders.pop()
            folder = self._folder(path, known)
            yield from (Path(path, name) for name in folder.credentials)
            folders += [f"{path}/{name}" for name in folder.folders]

    def _folder(self, path: str, known: frozenset[Identity]) -> _Folder:
        try:
            changed = os.stat(path, follow_symlinks=False).st_mtime_ns  # noqa: PTH116 (tens of thousands of them)
        except OSError:
            return _Folder(0)
        if (folder := self._read.get(path)) and folder.changed == changed:
            return folder
        folder = _read_folder(path, changed, known)
        # One that has just changed may change again at what its clock takes for the same moment.
        if time.time_ns() - changed > SETTLED:
            self._read[path] = folder
        return folder


@dataclass(frozen=True)
class _Folder:
    changed: int
    """Nanoseconds, as the file system says."""
    credentials: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def _read_folder(path: str, changed: int, known: frozenset[Identity]) -> _Folder:
    inodes = {inode for _, inode in known}
    name = path.rpartition("/")[2]
    credentials, folders = [], []
    for entry in _entries(path):
        if entry.is_symlink():
            continue
        if _is_named_so(name, entry.name) and not _is_code(entry):
            credentials.append(entry.name)
        elif entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        elif entry.inode() in inodes and _identity(Path(entry.path).lstat()) in known:
            credentials.append(entry.name)
    return _Folder(changed, tuple(credentials), tuple(folders))


def _is_code(entry: os.DirEntry[str]) -> bool:
    """A folder that is only called like a file with credentials, such as a package of a library."""
    return entry.is_dir(follow_symlinks=False) and entry.name.lower() not in _FOLDERS


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _folders(folder: Path) -> list[Path]:
    found = []
    for entry in _entries(folder):
        with suppress(OSError):
            found += [Path(entry.path)] if entry.is_dir() else []
    return found


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
