"""The repository's own template of a pull request's description, as its base branch has it (rule 7.4)."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from domain.errors import RepositoryError

LARGEST = 16 * 1024
"""Bytes; our own part has to fit beside it."""
_MODES = ("100644", "100755")


async def read_template(cache: RepositoryCache, commit: str, places: Sequence[str]) -> str:
    """The first of `places`, in whichever case its name is written, that there is at `commit`, which must be in the
    cache; empty where there is none. RepositoryError where it is no text file that one can begin with.
    """
    entries = await _entries(cache, commit_id(commit), places)
    for place in places:
        if place not in entries:
            continue
        path, mode, blob, size = entries[place]
        if mode not in _MODES or int(size) > LARGEST:
            raise RepositoryError(f"{path} is not a plain file of at most {LARGEST} bytes")
        content = (await cache.local("cat-file", "blob", blob)).stdout
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RepositoryError(f"{path} is not UTF-8") from error
    return ""


async def _entries(cache: RepositoryCache, commit: str, places: Sequence[str]) -> dict[str, tuple[str, str, str, str]]:
    """Path in lower case → path, mode, blob and size of the files in the folders of `places`."""
    folders = sorted({f"{folder}/" for place in places if (folder := place.rpartition("/")[0])})
    listed = (await cache.local("ls-tree", "--long", "-z", commit)).text
    if folders:
        listed += (await cache.local("ls-tree", "--long", "-z", commit, "--", *folders)).text
    found: dict[str, tuple[str, str, str, str]] = {}
    for line in filter(None, listed.split("\0")):
        about, _, path = line.partition("\t")
        mode, kind, blob, size = about.split()
        if kind == "blob":
            found.setdefault(path.lower(), (path, mode, blob, size))
    return found
