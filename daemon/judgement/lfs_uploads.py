"""Files that .gitattributes gives to Git LFS: pointers in the work, their contents where everybody finds them.

An agent's git may make pointers and keep the contents to itself, or commit the files as they are. Where this machine
has git-lfs the daemon uploads the former, and makes pointers of the latter; without, both are faults.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from daemon.git import lfs
from daemon.git.commits import attribute, index_of
from daemon.git.lfs import Pointer
from daemon.judgement.check import Examined, Fault, fault, named
from daemon.judgement.submodules import changed
from daemon.secrets.secret_search import SECONDS
from daemon.secrets.secret_shapes import CONTENTS
from domain.failures import FailureCategory

CONVERTED_AT_MOST = 10 * 1024 * 1024
"""Bytes of a file in a commit that is made a pointer."""
_SERVER = re.compile(r"(https?|ssh)://\S+")
_SUBJECT = "Keep files in Git LFS as .gitattributes says"
_NO_SERVER = "the base branch's .lfsconfig names no server that is asked (lfs.url)"
_LFS = (
    "Nobody else would get them. Leave files in LFS as they are, or give these an exception in .gitattributes "
    "(`PATH -filter -diff -merge`) and add them anew."
)
_SECRET = re.compile(b"|".join(f"(?:{shape})".encode() for shape in CONTENTS))
_PIECE = 256 * 1024
"""Bytes that are looked through at once: as long nothing else runs in this process."""
_OVERLAP = 1024


async def lost_lfs_files(work: Examined) -> Fault | None:
    """A file whose content nobody has and that can't be uploaded: not as a pointer where git-lfs is missing, or a
    pointer to a content that neither the base nor the agent has.
    """
    given = await _given(work)
    is_installed = bool(given) and await lfs.is_installed(work.cache)
    lost = [path for path, blob in given.items() if await _is_lost(work, path, blob, is_installed)]
    if not lost:
        return None
    why = "" if is_installed else ", and this machine has no git-lfs"
    return fault(FailureCategory.POINTER, f"the contents of these files are not in Git LFS{why}: {named(lost)}", _LFS)


async def into_lfs(work: Examined) -> tuple[str, Fault | None]:
    """Upload what the work points to, and put a commit on top that makes pointers of the other files: the new head, or
    what is wrong. To be asked once nothing else is. Raises GitError.
    """
    given = await _given(work)
    pointers = {path: await lfs.pointer_in(work.cache, blob) for path, blob in given.items()}
    new = {path: pointer for path, pointer in pointers.items() if pointer and not await _is_known(work, pointer)}
    if found := await asyncio.to_thread(_with_secrets, work, new, SECONDS):
        wrong = f"what looks like a secret is in files for Git LFS, or they are too large to tell: {named(found)}"
        return work.head, fault(FailureCategory.SECRET, wrong, "Take it out of the files, or leave them out.")
    made = {path: await lfs.clean(work.cache, given[path]) for path, pointer in pointers.items() if pointer is None}
    wanted = [*new.values(), *(pointer for pointer, _ in made.values())]
    if not wanted:
        return work.head, None
    server = await _server(work)
    if refusal := await lfs.upload(work.cache, wanted, server) if server is not None else _NO_SERVER:
        paths = named([*new, *made])
        wrong = f"the contents of these files can't be uploaded to Git LFS: {paths}: {refusal}"
        return work.head, fault(FailureCategory.POINTER, wrong, _LFS)
    return await _committed(work, {path: blob for path, (_, blob) in made.items()}), None


async def is_in_lfs(work: Examined, path: str) -> bool:
    """Whether the work has a pointer there."""
    found = await work.cache.local("rev-parse", "--quiet", "--verify", f"{work.head}:{path}", also=(1, 128))
    return found.exit_code == 0 and await lfs.pointer_in(work.cache, found.text) is not None


async def _given(work: Examined) -> dict[str, str]:
    """Path → blob, of the files with content that the work has changed and .gitattributes gives to LFS."""
    files = {path: new for path, mode, new in await changed(work) if mode.startswith("100")}
    asked = ("filter", work.head, *files)
    if asked not in work.known:
        work.known[asked] = await attribute(work.cache, work.head, "filter", list(files))
    filters = cast(dict[str, str], work.known[asked])
    given = {path: files[path] for path, value in filters.items() if value == "lfs"}
    return {path: blob for path, blob in given.items() if await _size(work, blob)}  # an empty file is its own pointer


async def _is_lost(work: Examined, path: str, blob: str, is_installed: bool) -> bool:
    pointer = await lfs.pointer_in(work.cache, blob)
    if pointer is None:
        return not is_installed or await _size(work, blob) > CONVERTED_AT_MOST
    if await _is_known(work, pointer):
        return False
    places = (f".git/{pointer.place}", path)
    return not is_installed or work.files is None or not await lfs.bring_in(work.cache, pointer, work.files, places)


async def _is_known(work: Examined, pointer: Pointer) -> bool:
    """Whether the work began with a pointer to the same content."""
    known = ("grep", "--quiet", "--fixed-strings", "-e", pointer.oid, work.began, "--")
    return (await work.cache.local(*known, also=(1,))).exit_code == 0


async def _size(work: Examined, blob: str) -> int:
    return int((await work.cache.local("cat-file", "-s", blob)).text)


def _with_secrets(work: Examined, pointers: Mapping[str, Pointer], within: float) -> list[str]:
    """The paths whose contents hold what looks like a secret, which no commit shows, or that could not be looked
    through in `within` seconds.
    """
    until = time.monotonic() + within
    folders = tuple(each for each in work.allowed if each.endswith("/"))
    looked = {path: pointer for path, pointer in pointers.items() if path not in work.allowed}
    return [
        path
        for path, pointer in looked.items()
        if not (folders and path.startswith(folders)) and _may_hold_secret(work.cache.folder / pointer.place, until)
    ]


def _may_hold_secret(file: Path, until: float) -> bool:
    """Piece by piece: an expression lets go of the interpreter at its end alone, and a file may have gigabytes."""
    before = b""
    with file.open("rb") as content:
        while piece := content.read(_PIECE):
            if time.monotonic() > until or _SECRET.search(before + piece):
                return True
            before = piece[-_OVERLAP:]
    return False


async def _server(work: Examined) -> str | None:
    """Where the base branch says that its LFS is; empty: at the remote itself. None: nowhere that is asked. What the
    agent writes into .lfsconfig counts for nothing: the daemon's credentials go there.
    """
    asked = ("config", "--blob", f"{work.settled or work.began}:.lfsconfig", "--get", "lfs.url")
    told = await work.cache.local(*asked, also=(1, 128))
    if told.exit_code or not told.text:
        return ""
    return told.text if _SERVER.fullmatch(told.text) else None


async def _committed(work: Examined, blobs: Mapping[str, str]) -> str:
    if not blobs:
        return work.head
    listed = (await work.cache.local("ls-tree", "-r", "-z", "--full-tree", work.head)).names
    modes = {path: told.split(" ")[0] for told, _, path in (entry.partition("\t") for entry in listed)}
    lines = "".join(f"{modes[path]} {blob}\t{path}\0" for path, blob in blobs.items())
    async with index_of(work.cache, work.head) as env:
        stdin = lines.encode(errors="surrogateescape")
        await work.cache.local("update-index", "-z", "--index-info", stdin=stdin, env=env)
        tree = (await work.cache.local("write-tree", env=env)).text
    return (await work.cache.local("commit-tree", tree, "-p", work.head, "-m", _SUBJECT)).text
