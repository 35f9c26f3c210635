"""Git LFS, run by the daemon's own git in its cache: no filter, hook or configuration of a worktree takes part."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from daemon import agent_files
from daemon.git.repository_cache import RepositoryCache
from daemon.process.run import sentence
from domain.errors import ProcessTimedOut
from domain.repository_url import masked

UPLOAD_TIMEOUT = 1800.0
LARGEST_POINTER = 1024
"""Bytes, as the specification of Git LFS has it."""
LARGEST_CONTENT = 2 * 1024**3
"""Bytes of what is taken from an agent's own LFS store."""
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v\d+\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Pointer:
    """What a pointer names."""

    oid: str
    size: int

    @property
    def place(self) -> Path:
        """Where the content lies below a git directory."""
        return Path("lfs", "objects", self.oid[:2], self.oid[2:4], self.oid)


async def pointer_in(cache: RepositoryCache, blob: str) -> Pointer | None:
    """What the blob points to; None: it is no pointer. Raises GitError."""
    if int((await cache.local("cat-file", "-s", blob)).text) > LARGEST_POINTER:
        return None
    return pointer_of((await cache.local("cat-file", "blob", blob)).stdout)


def pointer_of(content: bytes) -> Pointer | None:
    """The same of a file's content; pure."""
    found = _POINTER.match(content)
    return Pointer(found[1].decode(), int(found[2])) if found else None


async def is_installed(cache: RepositoryCache) -> bool:
    """Whether this machine has git-lfs."""
    return (await cache.git.run("lfs", "version", repository=cache.folder)).exit_code == 0


async def clean(cache: RepositoryCache, blob: str) -> tuple[Pointer, str]:
    """Bring the blob's content into the cache's LFS store: what points to it, and the pointer as a blob. Raises
    GitError.
    """
    content = (await cache.local("cat-file", "blob", blob)).stdout
    written = (await cache.local("lfs", "clean", stdin=content)).stdout
    pointer = pointer_of(written)
    assert pointer, "git lfs clean prints a pointer"
    return pointer, (await cache.local("hash-object", "-w", "--stdin", stdin=written)).text


async def bring_in(cache: RepositoryCache, pointer: Pointer, folder: Path, names: Sequence[str]) -> bool:
    """Bring a content that lies in one of the files `names` below `folder`, which an agent can write, into the cache's
    LFS store. Whether it is there now.
    """
    return await asyncio.to_thread(_bring_in, cache.folder, pointer, folder, names)


def _bring_in(cache: Path, pointer: Pointer, folder: Path, names: Sequence[str]) -> bool:
    target = cache / pointer.place
    if target.exists():
        return True
    if pointer.size > LARGEST_CONTENT:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            with agent_files.opened(folder, name) as source, tempfile.NamedTemporaryFile(dir=target.parent) as copy:
                read, left = hashlib.sha256(), pointer.size
                while left > 0 and (chunk := source.read(min(_CHUNK, left))):
                    read.update(chunk)
                    copy.write(chunk)
                    left -= len(chunk)
                copy.flush()
                if left == 0 and read.hexdigest() == pointer.oid:
                    os.link(copy.name, target)
                    return True
        except FileExistsError:
            return True
        except OSError:
            continue
    return False


async def upload(cache: RepositoryCache, pointers: Sequence[Pointer], server: str = "") -> str:
    """Bring contents of the cache's LFS store to the remote's: empty, or why they are not there. `server`: the address
    that the repository gives for its LFS (`lfs.url`), where it isn't that of the remote itself.
    """
    git_dir = await cache.git_dir(push=True)
    address = cache.url.text if git_dir is None else f"file://{quote(str(git_dir))}"
    options = ("-c", f"lfs.url={server}") if server else ()
    oids = [pointer.oid for pointer in pointers]
    # A local remote runs git-lfs's own program; nothing that the cache's configuration could name.
    try:
        done = await cache.git.run(
            *options, "lfs", "push", "--object-id", address, *oids, repository=cache.folder, timeout=UPLOAD_TIMEOUT
        )
    except ProcessTimedOut as error:
        return str(error)
    # What it prints of its progress comes first, the reason last.
    said = masked(done.stderr or done.text)
    return "" if done.exit_code == 0 else sentence(said)
