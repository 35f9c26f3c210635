"""What commits hold and their .gitattributes say, asked in the cache: nothing that an agent has set up takes part."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

from daemon.git.arguments import batches
from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from domain.models import Work

REMEMBERED = 32
REMEMBERED_FILES = 2000
"""That have changed."""


class DiffEntry(NamedTuple):
    """A file of one commit that isn't as another has it: A, M, T or D, its mode, and its content's name."""

    path: str
    status: str
    mode: str
    blob: str


async def attribute(cache: RepositoryCache, commit: str, name: str, paths: Sequence[str]) -> dict[str, str]:
    """Path → the attribute's value, of those of `paths` for which it is given. Raises GitError."""
    if not await _has_attributes(cache, commit, paths):
        return {}
    asked = "\0".join(paths).encode(errors="surrogateescape")
    async with index_of(cache, commit) as env:
        told = await cache.local("check-attr", "--cached", "-z", "--stdin", name, stdin=asked, env=env)
    values = zip(told.names[0::3], told.names[2::3], strict=True)
    return {path: value for path, value in values if value not in ("unspecified", "unset")}


async def _has_attributes(cache: RepositoryCache, commit: str, paths: Sequence[str]) -> bool:
    """Whether a folder on the way to one of `paths` has a .gitattributes: most have none, and to ask git for attributes
    takes an index of all files.
    """
    folders = {folder for path in paths for folder in PurePosixPath(path).parents}
    if any("\n" in str(folder) for folder in folders):
        return True
    names = "".join(f"{commit_id(commit)}:{folder / '.gitattributes'}\n" for folder in folders)
    if not names:
        return False
    told = await cache.local("cat-file", "--batch-check", stdin=names.encode(errors="surrogateescape"))
    return not all(line.endswith(" missing") for line in told.text.splitlines())


@asynccontextmanager
async def index_of(cache: RepositoryCache, tree: str) -> AsyncIterator[dict[str, str]]:
    """The environment in which git's commands work on an index of their own, which is as `tree`."""
    with tempfile.TemporaryDirectory(dir=cache.folder, prefix="makima-index-") as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        await cache.local("read-tree", tree, env=env)
        yield env


async def measured(cache: RepositoryCache, branch: str, base: str, head: str, replaces: str, since: str = "") -> Work:
    """The work of `branch`; files count as changed since the commit `since` (empty: `base`). All of them must be in
    the cache. Raises GitError.
    """
    commits = (await _apart(cache, base, head))[1]
    files = len(await changes(cache, since or base, head))
    return Work(branch=branch, base=base, head=head, commits=commits, files_changed=files, replaces=replaces)


async def holds(cache: RepositoryCache, head: str, commit: str) -> bool:
    """Whether `head` holds `commit`; both must be in the cache. Raises GitError."""
    return (await _apart(cache, commit, head))[0] == 0


async def _apart(cache: RepositoryCache, one: str, other: str) -> tuple[int, int]:
    """How many commits only `one` holds, and how many only `other`."""
    asked = ("rev-list", "--count", "--left-right", f"{commit_id(one)}...{commit_id(other)}")
    if (found := cache.facts.get(asked)) is None:
        left, right = (await cache.local(*asked)).text.split()
        _remember(cache, asked, found := (int(left), int(right)))
    return cast(tuple[int, int], found)


async def changes(cache: RepositoryCache, old: str, new: str) -> tuple[DiffEntry, ...]:
    """The files that are not the same in two commits of the cache; one that was moved is two. Raises GitError."""
    asked = ("diff", "--raw", "-z", "--no-renames", "--no-abbrev", commit_id(old), commit_id(new))
    if (found := cache.facts.get(asked)) is None:
        found = tuple(_parsed((await cache.local(*asked)).names))
        if len(found) <= REMEMBERED_FILES:
            _remember(cache, asked, found)
    return cast(tuple[DiffEntry, ...], found)


def _parsed(fields: Sequence[str]) -> Iterator[DiffEntry]:
    for told, path in zip(fields[0::2], fields[1::2], strict=True):
        _, mode, _, blob, status = told.lstrip(":").split(" ")
        yield DiffEntry(path, status, mode, blob)


def _remember(cache: RepositoryCache, asked: Sequence[str], found: object) -> None:
    """What is true of two commits stays true: the newest answers are kept, for the next part of the same delivery."""
    while len(cache.facts) >= REMEMBERED:
        del cache.facts[next(iter(cache.facts))]
    cache.facts[tuple(asked)] = found


async def touches(cache: RepositoryCache, base: str, head: str, paths: Sequence[str]) -> bool:
    """Whether a commit that `head` holds and `base` doesn't changes one of `paths`."""
    asked = ("--literal-pathspecs", "rev-list", "--max-count=1", f"{commit_id(base)}..{commit_id(head)}", "--")
    for some in batches(paths):
        if (await cache.local(*asked, *some)).text:
            return True
    return False
