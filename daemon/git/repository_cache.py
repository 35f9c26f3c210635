"""The bare cache of a repository that tasks borrow objects from (rule 6.1); only the daemon's own git writes it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from daemon.git import empty_repository, own_refs
from daemon.git.cache_lock import cache_lock, remove_leftovers
from daemon.git.git import Git, checked, commit_id
from daemon.git.remote_errors import remote_error
from daemon.process.run import Finished
from domain.errors import (
    BaseBranchMissing,
    GitError,
    GitUnreachable,
    MakimaError,
    ProcessTimedOut,
    RepositoryError,
)
from domain.names import PREFIX
from domain.repository_url import RepositoryUrl

FETCH_TIMEOUT = 3600.0
"""Seconds for a fetch, the first full one included; a dead line ends it much earlier."""
PUSH_TIMEOUT = 900.0
ASK_TIMEOUT = 60.0
"""Seconds for a talk with the remote that moves no objects."""

ANOTHER_PREFIX = "`starter.py edit ID --branch-prefix feature/` and `resume`, or set branch_prefix in .makima.toml"
OURS = "refs/makima/"
HEADS = "+refs/heads/*:refs/remotes/origin/*"
SHOWN_BRANCHES = 5
_PEELED = "^{}"
"""What a tag's line ends with that names what the tag is of; no ref's name may."""
OTHER_NAMES = "mismatched algorithms: client sha1; server sha256"
"""git's words for a remote whose objects have SHA-256 names; only a fetch says it."""


class RepositoryCache:
    """One repository on this machine: its objects, and its branches as they were at the last fetch."""

    def __init__(self, git: Git, url: RepositoryUrl, folder: Path) -> None:
        """`folder` is the bare repository; `make` makes it."""
        self.git = git
        self.url = url
        self.folder = folder
        self.facts: dict[tuple[str, ...], object] = {}
        """What was asked of commits that are here and never change (`daemon.git.commits`)."""
        self._fetching = asyncio.Lock()
        self._begun = 0
        self._ended = 0
        self._failure: MakimaError | None = None

    @classmethod
    async def make(cls, git: Git, url: RepositoryUrl, folder: Path, *, tidy: bool = True) -> RepositoryCache:
        """Open or make the cache; `tidy`: and take away what a git that was killed left in the way."""
        cache = cls(git, url, folder)
        cache.folder.mkdir(parents=True, exist_ok=True)
        async with cache_lock(cache.folder):
            await asyncio.to_thread(empty_repository.lay_out, cache.folder)
            if tidy:
                await asyncio.to_thread(remove_leftovers, cache.folder)
        return cache

    async def fetch(self) -> None:
        """Bring all branches up to date. Whoever asks while a fetch runs shares the next one, and its failure: the
        running one may have read the remote too early for them. Raises RepositoryError, GitUnreachable, GitError.
        """
        wanted = self._begun + 1
        async with self._fetching:
            if self._ended < wanted:
                await asyncio.sleep(0)  # whoever asks in the same turn of the loop is early enough
                await self._fetch_counted()
            if self._failure:
                raise self._failure

    async def prepare(self, base_branch: str, prefix: str = PREFIX) -> str:
        """Fetch, and return the base commit of a generation, once a push is known to be allowed (rule 2.3) to branches
        that begin with `prefix`.
        """
        base = await self.base(base_branch)
        await self.check_push(base, prefix)
        return base

    async def base(self, base_branch: str) -> str:
        """Fetch, and return the commit of the base branch; BaseBranchMissing where there is none."""
        await self.fetch()
        base = await self.branch_commit(base_branch)
        if base is None:
            raise BaseBranchMissing(
                f"{self.url.display} has no branch {base_branch!r}; it has {await self._branches()}"
            )
        return base

    async def default_branch(self) -> str:
        """The branch that the remote's HEAD names; raises BaseBranchMissing where it names none that is there."""
        asked = await self.remote("ls-remote", "--symref", *await self.source(), "HEAD", timeout=ASK_TIMEOUT)
        found = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", asked.text, re.MULTILINE)
        if found:
            return found[1]
        await self.fetch()
        others = await self._branches()
        raise BaseBranchMissing(f"{self.url.display} has no default branch, its HEAD names none; it has {others}")

    async def branch_commit(self, branch: str) -> str | None:
        """Where `branch` was at the last fetch, None if it wasn't there."""
        ref = f"refs/remotes/origin/{branch}"
        return (await self.refs(ref)).get(ref)

    async def on_remote(self, ref: str) -> str | None:
        """Where `ref` (its full name) is at this moment, None if it isn't there."""
        return (await self.listed(ref)).get(ref)

    async def listed(self, *patterns: str) -> dict[str, str]:
        """Ref → commit, of those at this moment that fit a pattern: a full name, or one that ends with `/*`."""
        # Without --refs, which leaves out names of two parts, such as refs/makima, beside which is no ref of ours.
        ask = ("ls-remote", "--quiet", *await self.source(), *patterns)
        listed = await self.remote(*ask, timeout=ASK_TIMEOUT)
        lines = (line.split("\t") for line in listed.text.splitlines() if not line.endswith(_PEELED))
        # A pattern also matches refs that only end like this one. One of nothing but zeros is a broken file.
        found = {name: commit_id(commit) for commit, name in lines if any(_fits(name, each) for each in patterns)}
        return {name: commit for name, commit in found.items() if commit.strip("0")}

    async def is_symbolic(self, ref: str) -> bool:
        """Whether `ref` of the remote stands for another ref, as far as the remote says."""
        ask = ("ls-remote", "--quiet", "--symref", *await self.source(), ref)
        listed = await self.remote(*ask, timeout=ASK_TIMEOUT)
        return any(line.startswith("ref: ") and line.endswith(f"\t{ref}") for line in listed.text.splitlines())

    async def has(self, *commits: str) -> bool:
        """Whether all of them are here."""
        return not await self.missing(commits)

    async def ensure(self, commits: Sequence[str]) -> None:
        """Have all `commits` here, fetching only for missing ones; raises RepositoryError for a lost one."""
        if not await self.missing(commits):
            return
        await self._fetch_for(commits)
        for commit in await self.missing(commits):
            fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *await self.source(), commit)
            try:
                await self.remote(*fetch, timeout=FETCH_TIMEOUT)
            except GitUnreachable:
                raise
            except GitError as error:
                raise RepositoryError(f"{self.url.display} has no commit {commit} (any more)") from error

    async def within_reach(self, commit: str) -> bool:
        """Whether it is here, or has come here now; raises GitUnreachable."""
        try:
            await self.ensure([commit])
        except GitUnreachable:
            raise
        except RepositoryError:
            return False
        return True

    async def independent(self, commits: Sequence[str]) -> frozenset[str]:
        """Those of `commits` that no other one of them holds: merging these merges all. They must be here."""
        if not commits:
            return frozenset()
        found = await self.local("merge-base", "--independent", *(commit_id(commit) for commit in commits))
        return frozenset(found.text.splitlines())

    async def holds(self, head: str, commit: str) -> bool:
        """Whether `head` holds `commit`; a commit that isn't here is in nothing."""
        asked = await self.local("merge-base", "--is-ancestor", commit_id(commit), commit_id(head), also=(1, 128))
        return asked.exit_code == 0

    async def local(
        self, *args: str, stdin: bytes = b"", also: Sequence[int] = (), env: Mapping[str, str] | None = None
    ) -> Finished:
        """git in the cache, without the remote; raises GitError unless it ends with 0 or one of `also`."""
        return checked(await self.git.run(*args, repository=self.folder, stdin=stdin, env=env), *also)

    async def remote(
        self, *args: str, timeout: float, also: Sequence[int] = (), lock: int | None = None, largest_file: int = 0
    ) -> Finished:
        """git in the cache, with the remote; raises what `remote_error` makes of a failure."""
        fds = () if lock is None else (lock,)
        try:
            finished = await self.git.run_remotely(
                *args, repository=self.folder, timeout=timeout, pass_fds=fds, largest_file=largest_file
            )
        except ProcessTimedOut as error:
            raise GitUnreachable(str(error)) from error
        if finished.exit_code not in (0, *also):
            raise remote_error(self.url.display, finished)
        return checked(finished, *also)

    async def source(self) -> tuple[str, ...]:
        """Where a fetch comes from, as arguments. Raises RepositoryError for a local repository that isn't taken."""
        if (git_dir := await self.git_dir(push=False)) is None:
            return (self.url.text,)
        return (f"--upload-pack={await self.git.local_program('upload-pack', git_dir)}", self._address(git_dir))

    async def destination(self) -> tuple[str, ...]:
        """The options that every push is made with, and where it goes to; raises like `source`. A local repository may
        be set to update the files of a branch that its user has checked out; they are never touched (rule 6.13).
        """
        git_dir, options = await self.git_dir(push=True), ("--porcelain", "--no-verify")
        if git_dir is None:
            return (*options, self.url.text)
        refuse = {"receive.denyCurrentBranch": "refuse"}
        return (
            *options,
            f"--receive-pack={await self.git.local_program('receive-pack', git_dir, **refuse)}",
            self._address(git_dir),
        )

    def _address(self, git_dir: Path) -> str:
        return f"file://{quote(str(git_dir))}" if self.url.text.startswith("file://") else str(git_dir)

    async def git_dir(self, *, push: bool) -> Path | None:
        """Of a repository of this machine, looked at anew; None for a remote one. Raises RepositoryError."""
        path = self.git.local_path(self.url.text, self.folder, push=push)
        return None if path is None else await asyncio.to_thread(self.git.local.git_dir, path)

    async def _fetch_for(self, commits: Sequence[str]) -> None:
        """Fetch, unless one that ran meanwhile has brought the commits; its failure counts for this one, too."""
        ended = self._ended
        async with self._fetching:
            if self._ended == ended or (not self._failure and await self.missing(commits)):
                await self._fetch_counted()
            if self._failure:
                raise self._failure

    async def _fetch_counted(self) -> None:
        self._begun += 1
        self._failure = await self._fetch_now()
        self._ended = self._begun

    async def _fetch_now(self) -> MakimaError | None:
        async with cache_lock(self.folder) as lock:
            try:
                await self._fetch_heads(lock)
            except MakimaError as error:
                return error
        return None

    async def _fetch_heads(self, lock: int) -> None:
        options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head")
        fetch = ("fetch", *options, *await self.source(), HEADS)
        try:
            await self.remote(*fetch, timeout=FETCH_TIMEOUT, lock=lock)
        except GitError as error:
            if OTHER_NAMES not in str(error):
                raise
            # Nothing can be in a cache that never could be filled; git names objects in one way in a repository.
            await asyncio.to_thread(shutil.rmtree, self.folder)
            await asyncio.to_thread(empty_repository.lay_out, self.folder, is_sha256=True)
            await self.remote(*fetch, timeout=FETCH_TIMEOUT, lock=lock)

    async def check_push(self, commit: str, prefix: str = PREFIX) -> None:
        """Raise RepositoryError where the remote lets nobody of us push a branch that begins with `prefix`, as far as a
        dry run shows; its rules answer only a real push (`pushing.try_branch`).
        """
        parts = prefix.split("/")[:-1]
        for taken in ("/".join(parts[: at + 1]) for at in range(len(parts))):
            if await self.branch_commit(taken):
                room = f"which leaves no room for '{prefix}…'"
                raise RepositoryError(f"{self.url.display} has a branch {taken!r}, {room}; {ANOTHER_PREFIX}")
        push = ("push", "--dry-run", *await self.destination())
        await self.remote(*push, f"{commit}:refs/heads/{prefix}push-check", timeout=ASK_TIMEOUT)

    async def refs(self, *names: str) -> dict[str, str]:
        """Ref → commit, of those here that are called so, or lie in a folder that is called so."""
        if (found := await asyncio.to_thread(own_refs.read, self.folder, names)) is not None:
            return found
        listed = await self.local("for-each-ref", "--format=%(refname) %(objectname)", *names)
        return dict(line.split(" ", maxsplit=1) for line in listed.text.splitlines())

    async def missing(self, commits: Sequence[str]) -> list[str]:
        """Those of `commits` that are not here."""
        if not commits:
            return []
        names = "".join(f"{commit_id(commit)}\n" for commit in commits).encode()
        found = await self.local("cat-file", "--batch-check", stdin=names)
        return [line.split()[0] for line in found.text.splitlines() if line.split()[1] != "commit"]

    async def _branches(self) -> str:
        wanted = ("--format=%(refname:lstrip=3)", f"--count={SHOWN_BRANCHES}", "refs/remotes/origin")
        names = (await self.local("for-each-ref", *wanted)).text.splitlines()
        return ", ".join(names) or "none: it is empty"


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("/*") else name == pattern
