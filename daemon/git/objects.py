"""Objects that the daemon makes itself, without git: a process for each took longer than all that they did."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from uuid import uuid4

from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from domain.errors import GitError

_SHA256 = re.compile(r"^\s*objectformat\s*=\s*sha256\s*$", re.MULTILINE | re.IGNORECASE)
_BY = "Makima <makima@localhost>"
_VERSION = 2


class Kind(IntEnum):
    """As a pack numbers them."""

    COMMIT = 1
    TREE = 2
    BLOB = 3


@dataclass(frozen=True)
class GitObject:
    kind: Kind
    content: bytes

    def name(self, algorithm: str) -> str:
        """What git calls it."""
        return hashlib.new(algorithm, self.whole, usedforsecurity=False).hexdigest()

    @property
    def whole(self) -> bytes:
        """What git hashes, and keeps."""
        return f"{self.kind.name.lower()} {len(self.content)}\0".encode() + self.content


def packed(objects: Sequence[GitObject], algorithm: str) -> bytes:
    """A pack of these objects, as git reads it; pure."""
    head = b"PACK" + _VERSION.to_bytes(4, "big") + len(objects).to_bytes(4, "big")
    body = b"".join(_header(each) + zlib.compress(each.content) for each in objects)
    return head + body + hashlib.new(algorithm, head + body, usedforsecurity=False).digest()


def _header(entry: GitObject) -> bytes:
    """Kind and size: four bits of it with the kind, then seven a byte, the lowest first."""
    left, size = entry.kind << 4 | len(entry.content) & 15, len(entry.content) >> 4
    made = bytearray()
    while size:
        made.append(left | 128)
        left, size = size & 127, size >> 7
    made.append(left)
    return bytes(made)


async def algorithm_of(cache: RepositoryCache) -> str:
    """By which objects are named there, as Python calls it."""
    config = await asyncio.to_thread((cache.folder / "config").read_text)
    return "sha256" if _SHA256.search(config) else "sha1"


async def commit_of_file(cache: RepositoryCache, name: str, content: bytes, parent: str | None, message: str) -> str:
    """A commit in the cache whose tree is one file. Raises GitError."""
    algorithm = await algorithm_of(cache)
    blob = GitObject(Kind.BLOB, content)
    tree = GitObject(Kind.TREE, f"100644 {name}\0".encode() + bytes.fromhex(blob.name(algorithm)))
    lines = [f"tree {tree.name(algorithm)}", *([f"parent {commit_id(parent)}"] if parent else [])]
    lines += [f"{who} {_BY} {int(time.time())} +0000" for who in ("author", "committer")]
    commit = GitObject(Kind.COMMIT, "\n".join([*lines, "", f"{message}\n"]).encode())
    try:
        for each in (blob, tree, commit):  # what names another comes behind it
            await asyncio.to_thread(_write, cache.folder / "objects", each, algorithm)
    except OSError as error:
        raise GitError(f"no object can be written in {cache.folder}: {error.strerror}") from error
    return commit.name(algorithm)


def _write(objects: Path, entry: GitObject, algorithm: str) -> None:
    """In a file of its own, as git does it: it is there after a loss of power, too, and never in part."""
    name = entry.name(algorithm)
    folder = objects / name[:2]
    folder.mkdir(exist_ok=True)
    made = folder / f"tmp_obj_{uuid4().hex}"  # git takes such away, too, where they were left
    try:
        with made.open("xb") as file:
            file.write(zlib.compress(entry.whole, 1))
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o444)
        made.replace(folder / name[2:])
    finally:
        made.unlink(missing_ok=True)
    for each in (folder, objects):
        _sync(each)


def _sync(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(at)
    finally:
        os.close(at)
