"""The repository's own template of a pull request's description, as its base branch has it (rule 7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from domain.errors import RepositoryError

LARGEST = 16 * 1024
"""Bytes; our own part has to fit beside it."""
_MODES = ("100644", "100755")


@dataclass(frozen=True)
class _Entry:
    """Of a folder."""

    path: str
    mode: str
    kind: str
    id: str
    size: str


async def read_template(cache: RepositoryCache, commit: str, places: Sequence[str]) -> str:
    """The first of `places`, in whichever case its name is written, that there is at `commit`, which must be in the
    cache; empty where there is none. RepositoryError where it is no text file that one can begin with.
    """
    folders = sorted({f"{folder}/" for place in places if (folder := place.rpartition("/")[0])})
    entries = await _entries(cache, commit_id(commit))
    if folders:
        entries += await _entries(cache, commit_id(commit), "--", *folders)
    files = {each.path.lower(): each for each in reversed(entries) if each.kind == "blob"}
    found = next((files[place] for place in places if place in files), None)
    return await _text(cache, found, found.path) if found else ""


async def read_named_template(cache: RepositoryCache, commit: str, folders: Sequence[str], name: str) -> str:
    """The file of this name, in whichever case, in the first of `folders` that has it, and in no folder of theirs.
    RepositoryError where there is none, or as above.
    """
    for folder in folders:
        entries = await _entries(cache, commit_id(commit))
        for part in folder.split("/"):
            below = next((each for each in entries if each.kind == "tree" and each.path.lower() == part), None)
            entries = await _entries(cache, below.id) if below else []
        wanted = [each for each in entries if each.kind == "blob" and each.path.lower() == name.lower()]
        if wanted:
            return await _text(cache, wanted[0], f"{folder}/{wanted[0].path}")
    raise RepositoryError(f"there is no {name!r} in {' or '.join(folders) or 'any folder that this forge knows'}")


async def _text(cache: RepositoryCache, entry: _Entry, path: str) -> str:
    if entry.mode not in _MODES or int(entry.size) > LARGEST:
        raise RepositoryError(f"{path} is not a plain file of at most {LARGEST} bytes")
    content = (await cache.local("cat-file", "blob", entry.id)).stdout
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RepositoryError(f"{path} is not UTF-8") from error


async def _entries(cache: RepositoryCache, tree: str, *paths: str) -> list[_Entry]:
    listed = (await cache.local("ls-tree", "--long", "-z", tree, *paths)).text
    found: list[_Entry] = []
    for line in filter(None, listed.split("\0")):
        about, _, path = line.partition("\t")
        mode, kind, blob, size = about.split()
        found.append(_Entry(path, mode, kind, blob, size))
    return found
