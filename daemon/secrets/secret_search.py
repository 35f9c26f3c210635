"""Secrets in what commits add: found by their shape before anything leaves the machine (docs/decisions/0016)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Annotated, NamedTuple

from pydantic import Field, ValidationError

from daemon.git.arguments import batches
from daemon.git.commits import index_of
from daemon.git.git import checked, commit_id
from daemon.git.repository_cache import RepositoryCache
from daemon.process import own_program
from daemon.secrets import secret_scan
from daemon.secrets.secret_scan import MESSAGE
from daemon.secrets.secret_shapes import CONTENTS, NAMES
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
    raw: str
    """The bytes of the file's name, in hexadecimal digits."""
    hash: str
    """The beginning of its SHA-256: what `allow_secrets` may name."""
    shape: str

    def __str__(self) -> str:
        return f"{self.path} in commit {self.commit[:12]} ({self.shape}, hash {self.hash})"

    @property
    def file(self) -> str:
        """As git is told of it."""
        return bytes.fromhex(self.raw).decode(errors="surrogateescape")


class Scan(Value):
    """What was found in commits."""

    hits: tuple[Hit, ...]
    whole: bool
    """False: there was more than could be looked through, or more hits than are told."""

    @property
    def is_clean(self) -> bool:
        return self.whole and not self.hits


class Clean(NamedTuple):
    """A tree on a commit without anything that looks like a secret."""

    tree: str
    parent: str


async def scan(
    cache: RepositoryCache, head: str, without: Sequence[str], allowed: Collection[str] = (), within: float = SECONDS
) -> Scan:
    """What the commits add that `head` holds and none of `without` does, the first of which is where they began: every
    commit, and of a merge what is in none of its parents. Only what that one doesn't have counts. Raises GitError.
    `within`: seconds.
    """
    program = await asyncio.to_thread(own_program.program, secret_scan)
    shapes = (NAMES, CONTENTS)
    argv = own_program.argv(secret_scan.options(head, [*without], *shapes, [*allowed], within))
    env = {"GIT_DIR": str(cache.folder)}
    limit = within + GRACE
    try:
        done = await cache.git.run_plainly(argv, cwd=cache.folder, env=env, stdin=program, timeout=limit)
    except ProcessTimedOut:
        return Scan(hits=(), whole=False)
    try:
        return Scan.model_validate_json(checked(done).text)
    except ValidationError as error:
        raise GitError(f"what was found in {cache.folder} can't be read: {error}") from error


async def without_secrets(
    cache: RepositoryCache,
    tree: str,
    head: str,
    began: str,
    allowed: Collection[str] = (),
    within: float = SECONDS,
) -> Clean:
    """`tree`, whose parent is `head`, as it may leave the machine: on the last commit since `began` whose history adds
    nothing that looks like a secret, without the files that hold one; `began` itself where not all could be looked
    through in `within` seconds. The same where there is none. Raises GitError.
    """
    found = await scan(cache, head, [began], allowed, within) if head != began else Scan(hits=(), whole=True)
    if not found.whole:
        return Clean(await _tree_of(cache, began), began)
    parent = head if found.is_clean else await _last_clean(cache, head, began, {hit.commit for hit in found.hits})
    return Clean(await _stripped(cache, tree, parent, allowed, within), parent)


async def _tree_of(cache: RepositoryCache, commit: str) -> str:
    return (await cache.local("rev-parse", f"{commit_id(commit)}^{{tree}}")).text


async def _last_clean(cache: RepositoryCache, head: str, began: str, found: set[str]) -> str:
    listed = await cache.local("rev-list", "--first-parent", "--topo-order", head, f"^{commit_id(began)}")
    for commit in listed.text.split():
        history = await cache.local("rev-list", commit, f"^{began}")
        if found.isdisjoint(history.text.split()):
            return commit
    return began


async def _stripped(cache: RepositoryCache, tree: str, parent: str, allowed: Collection[str], within: float) -> str:
    """The tree with the files that hold a secret as `parent` has them; that one's own where not all could be looked
    through.
    """
    before = await _tree_of(cache, parent)
    if tree == before:
        return tree
    people = [f"{who} {_BY} {_DATE}" for who in ("author", "committer")]
    written = "\n".join([f"tree {tree}", f"parent {parent}", *people, "", "Looked through\n"]).encode()
    asked = (await cache.local("hash-object", "-t", "commit", "-w", "--stdin", stdin=written)).text
    found = await scan(cache, asked, [parent], allowed, within)
    paths = list(dict.fromkeys(hit.file for hit in found.hits if hit.path != MESSAGE))
    if not found.whole:
        return before
    if not paths:
        return tree
    literal = ("--literal-pathspecs", "ls-tree", "-z", "--full-tree", parent, "--")
    kept = [entry for some in batches(paths) for entry in (await cache.local(*literal, *some)).names]
    gone = [f"0 {'0' * len(parent)}\t{path}\0" for path in paths]
    lines = "".join([*gone, *(f"{entry}\0" for entry in kept)]).encode(errors="surrogateescape")
    async with index_of(cache, tree) as env:
        await cache.local("update-index", "-z", "--index-info", stdin=lines, env=env)
        return (await cache.local("write-tree", env=env)).text


async def fit_to_leave(cache: RepositoryCache, head: str, began: str, allowed: Collection[str] = ()) -> str:
    """`head`, or what of it may leave the machine, as a commit. Raises GitError."""
    tree = await _tree_of(cache, head)
    clean = await without_secrets(cache, tree, head, began, allowed)
    if clean.parent == head:
        return head
    asked = ("commit-tree", clean.tree, "-p", clean.parent, "-m", "What was done, without what looks like a secret")
    return (await cache.local(*asked)).text
