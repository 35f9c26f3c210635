"""Secrets in what commits add: found by their shape before anything leaves the machine (docs/decisions/0016)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, ValidationError

from daemon.git.attributes import index_of
from daemon.git.git import checked, commit_id
from daemon.git.repositories import RepositoryCache
from daemon.secrets import secret_scan, secret_shapes
from daemon.secrets.secret_scan import MESSAGE
from domain.errors import GitError, ProcessTimedOut
from domain.value import Value

SECONDS = 120.0
"""How long commits are looked through; work that takes longer waits for a person."""
GRACE = 30.0
_BY = "Makima <makima@localhost>"
_DATE = "0 +0000"


AllowedSecret = Annotated[str, Field(min_length=1, max_length=4096)]
"""A file, a folder that ends with a slash, or the hash that a report names: what looks like a secret there is none."""


class Hit(Value):
    """Something that looks like a secret; its value is not in here."""

    commit: str
    path: str
    """The file, or `(commit message)`."""
    value: str = ""
    hash: str
    """The beginning of its SHA-256: what `allow_secrets` may name."""
    shape: str

    def __str__(self) -> str:
        return f"{self.path} in commit {self.commit[:12]} ({self.shape}, hash {self.hash})"

    def is_allowed(self, allowed: Collection[str]) -> bool:
        """By its file, a folder that ends with a slash, or its hash."""
        folders = tuple(each for each in allowed if each.endswith("/"))
        return self.path in allowed or self.hash in allowed or bool(folders and self.path.startswith(folders))


class Scan(Value):
    """What was found in commits."""

    hits: tuple[Hit, ...]
    whole: bool
    """False: there was more than could be looked through."""

    @property
    def is_clean(self) -> bool:
        return self.whole and not self.hits


class Clean(NamedTuple):
    """A tree on a commit without anything that looks like a secret."""

    tree: str
    parent: str


async def scan(cache: RepositoryCache, head: str, without: Sequence[str], allowed: Collection[str] = ()) -> Scan:
    """What the commits add that `head` holds and none of `without` does, the first of which is where they began: every
    commit, and of a merge what is in none of its parents. Only what that one doesn't have counts. Raises GitError.
    """
    program = await asyncio.to_thread(Path(secret_scan.__file__).read_bytes)
    shapes = (secret_shapes.NAMES, secret_shapes.CONTENTS)
    argv = (sys.executable, "-I", "-S", "-", secret_scan.options(head, [*without], *shapes, SECONDS))
    env = {"GIT_DIR": str(cache.folder)}
    limit = SECONDS + GRACE
    try:
        done = await cache.git.run_plainly(argv, cwd=cache.folder, env=env, stdin=program, timeout=limit)
    except ProcessTimedOut:
        return Scan(hits=(), whole=False)
    try:
        found = Scan.model_validate_json(checked(done).text)
    except ValidationError as error:
        raise GitError(f"what was found in {cache.folder} can't be read: {error}") from error
    return found.model_copy(update={"hits": tuple(hit for hit in found.hits if not hit.is_allowed(allowed))})


async def without_secrets(
    cache: RepositoryCache, tree: str, head: str, began: str, allowed: Collection[str] = ()
) -> Clean:
    """`tree`, whose parent is `head`, as it may leave the machine: on the last commit since `began` whose history adds
    nothing that looks like a secret, without the files that hold one. The same where there is none. Raises GitError.
    """
    if head == began:
        return Clean(tree, head)
    found = await scan(cache, head, [began], allowed)
    if found.is_clean:
        return Clean(tree, head)
    parent = await _last_clean(cache, head, began, {hit.commit for hit in found.hits}) if found.whole else began
    if not found.whole:
        return Clean((await cache.local("rev-parse", f"{began}^{{tree}}")).text, began)
    return Clean(await _stripped(cache, tree, parent, allowed), parent)


async def _last_clean(cache: RepositoryCache, head: str, began: str, found: set[str]) -> str:
    listed = await cache.local("rev-list", "--first-parent", "--topo-order", head, f"^{commit_id(began)}")
    for commit in listed.text.split():
        history = await cache.local("rev-list", commit, f"^{began}")
        if found.isdisjoint(history.text.split()):
            return commit
    return began


async def _stripped(cache: RepositoryCache, tree: str, parent: str, allowed: Collection[str]) -> str:
    """The tree with the files that hold a secret as `parent` has them."""
    people = [f"{who} {_BY} {_DATE}" for who in ("author", "committer")]
    written = "\n".join([f"tree {tree}", f"parent {parent}", *people, "", "Looked through\n"]).encode()
    asked = (await cache.local("hash-object", "-t", "commit", "-w", "--stdin", stdin=written)).text
    found = await scan(cache, asked, [parent], allowed)
    paths = list(dict.fromkeys(hit.path for hit in found.hits if hit.path != MESSAGE))
    if not found.whole:
        return (await cache.local("rev-parse", f"{parent}^{{tree}}")).text
    if not paths:
        return tree
    literal = ("--literal-pathspecs", "ls-tree", "-z", "--full-tree", parent, "--", *paths)
    kept = (await cache.local(*literal)).names
    gone = [f"0 {'0' * len(parent)}\t{path}\0" for path in paths]
    lines = "".join([*gone, *(f"{entry}\0" for entry in kept)]).encode(errors="surrogateescape")
    async with index_of(cache, tree) as env:
        await cache.local("update-index", "-z", "--index-info", stdin=lines, env=env)
        return (await cache.local("write-tree", env=env)).text


async def fit_to_leave(cache: RepositoryCache, head: str, began: str, allowed: Collection[str] = ()) -> str:
    """`head`, or what of it may leave the machine, as a commit. Raises GitError."""
    tree = (await cache.local("rev-parse", f"{commit_id(head)}^{{tree}}")).text
    clean = await without_secrets(cache, tree, head, began, allowed)
    if clean.parent == head:
        return head
    asked = ("commit-tree", clean.tree, "-p", clean.parent, "-m", "What was done, without what looks like a secret")
    return (await cache.local(*asked)).text
