"""A task's worktree: a repository of its own that borrows the cache's objects (SPEC 6.2, 6.4).

Every command here goes through a runner that was handed in. Until the agent starts that may be `Git.run_plainly`;
afterwards it must be the agent's environment and sandbox below the keeper, for what the agent left in the repository
(configuration, filters, merge drivers) runs with it. The daemon's own git, with its credentials, never comes here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from daemon.git import checked, commit_id
from daemon.git_config import NO_CODE_OF_THE_REPOSITORY, as_environment
from daemon.process import Finished, Runs
from domain.errors import GitError

CHECKOUT_TIMEOUT = 900.0
"""Seconds for anything that git does in a worktree."""


@dataclass(frozen=True)
class Identity:
    """Who stands as author and committer in a commit that the daemon makes for a task."""

    name: str
    email: str

    @property
    def environment(self) -> dict[str, str]:
        author = {"GIT_AUTHOR_NAME": self.name, "GIT_AUTHOR_EMAIL": self.email}
        return author | {"GIT_COMMITTER_NAME": self.name, "GIT_COMMITTER_EMAIL": self.email}


@dataclass(frozen=True)
class Incoming:
    """A commit to merge in, and the name that the merge's subject gives it."""

    commit: str
    name: str


@dataclass(frozen=True)
class Conflict:
    """The merge that stopped: it is left in the worktree for an agent to finish. `remaining` wait behind it."""

    incoming: Incoming
    files: tuple[str, ...]
    remaining: tuple[Incoming, ...]


@dataclass(frozen=True)
class Worktree:
    """A repository with checked out files at `path`; `runs` is what its commands are run by."""

    path: Path
    runs: Runs
    identity: Identity = field(default=Identity("Makima", "makima@localhost"))

    @classmethod
    async def make(cls, path: Path, *, cache: Path, commit: str, runs: Runs, identity: Identity) -> Worktree:
        """Make the worktree at the absolute, still missing `path`: detached at `commit`, no remote, the objects
        borrowed from `cache`. Raises GitError.
        """
        worktree = cls(path, runs, identity)
        _lay_out(path, cache)
        await worktree._git("init", "--quiet", "--template=")
        await worktree._git("checkout", "--quiet", "--detach", commit_id(commit))
        return worktree

    def run_by(self, runs: Runs) -> Worktree:
        """The same worktree for the time in which another runner must be used."""
        return replace(self, runs=runs)

    async def merge(self, incoming: Sequence[Incoming]) -> Conflict | None:
        """Merge the commits in, in their order, to the first conflict; a commit that is here already changes nothing.
        Raises GitError where git can't merge at all.
        """
        for position, one in enumerate(incoming):
            args = ("--no-edit", "--no-verify", "--quiet", "--no-stat", "-m", f"Merge {_line(one.name)}")
            merged = await self._git("merge", *args, commit_id(one.commit), also=(1,))
            if merged.exit_code == 1:
                files = await self.conflicted_files()
                if not files:
                    raise GitError(str(merged))
                return Conflict(one, files, tuple(incoming[position + 1 :]))
        return None

    async def commit_all(self, subject: str, trailers: Mapping[str, str]) -> str | None:
        """Commit everything that isn't ignored, a merge in progress included; the new commit, None if there is nothing
        to commit.
        """
        await self._git("add", "--all")
        unchanged = (await self._git("diff", "--cached", "--quiet", "--no-ext-diff", also=(1,))).exit_code == 0
        if unchanged and not await self._merging():
            return None
        lines = "".join(f"{name}: {_line(value)}\n" for name, value in trailers.items())
        message = f"{_line(subject)}\n\n{lines}".encode(errors="surrogateescape")
        commit = ("commit", "--quiet", "--no-verify", "--cleanup=whitespace", "--file=-")
        await self._git(*commit, stdin=message)
        return await self.head()

    async def head(self) -> str:
        """The commit that the worktree is at, on whatever branch an agent made."""
        return commit_id((await self._git("rev-parse", "--verify", "HEAD^{commit}")).text)

    async def commits_since(self, base: str) -> tuple[str, ...]:
        """The commits on HEAD that `base` doesn't hold, oldest first, merges included."""
        listed = await self._git("rev-list", "--reverse", "--topo-order", f"{commit_id(base)}..HEAD")
        return tuple(listed.text.splitlines())

    async def changed_files(self, base: str, head: str) -> tuple[str, ...]:
        """The files that differ between two commits; a renamed one counts under both names."""
        options = ("--name-only", "-z", "--no-renames", "--no-ext-diff")
        return (await self._git("diff", *options, commit_id(base), commit_id(head))).names

    async def conflicted_files(self) -> tuple[str, ...]:
        """The files that the index holds as unmerged."""
        return (await self._git("diff", "--name-only", "-z", "--diff-filter=U", "--no-ext-diff")).names

    async def has_conflict_markers(self, files: Sequence[str]) -> bool:
        """Whether one of `files` still holds both markers that a conflict begins and ends with."""
        markers = ("--all-match", "-e", "^<<<<<<< ", "--or", "-e", "^>>>>>>> ")
        search = ("grep", "--quiet", "--untracked", "--no-textconv", *markers, "--", *files)
        return bool(files) and (await self._git(*search, also=(1,), literal=True)).exit_code == 0

    async def contains(self, commit: str) -> bool:
        """Whether HEAD holds `commit`."""
        asked = await self._git("merge-base", "--is-ancestor", commit_id(commit), "HEAD", also=(1,))
        return asked.exit_code == 0

    async def remove(self) -> None:
        """Remove the worktree with all its files, read-only folders included; nothing to do when it is gone."""
        await asyncio.to_thread(_remove_tree, self.path)

    async def _merging(self) -> bool:
        head = await self._git("rev-parse", "--quiet", "--verify", "MERGE_HEAD", also=(1, 128))
        return head.exit_code == 0

    async def _git(self, *args: str, stdin: bytes = b"", also: Sequence[int] = (), literal: bool = False) -> Finished:
        # The folder is named: without its .git, which an agent may remove, git would look for one further up.
        argv = ("git", "--git-dir=.git", "--work-tree=.", *(("--literal-pathspecs",) if literal else ()), *args)
        env = as_environment(NO_CODE_OF_THE_REPOSITORY) | self.identity.environment
        return checked(await self.runs(argv, cwd=self.path, env=env, stdin=stdin, timeout=CHECKOUT_TIMEOUT), *also)


def _lay_out(path: Path, cache: Path) -> None:
    """The folders in which `git init` then makes a repository that knows the cache's objects from the start."""
    info = path / ".git" / "objects" / "info"
    info.mkdir(parents=True)
    (info / "alternates").write_text(f"{cache / 'objects'}\n")


def _line(text: str) -> str:
    """`text` on one line: a subject or trailer with a line end in it would say something else."""
    return " ".join(text.split())


def _remove_tree(path: Path) -> None:
    """Package caches make folders read-only, which keeps even their owner from emptying them."""
    if not path.exists():
        return
    for folder, names, _ in os.walk(path):
        for inside in (Path(folder, name) for name in names):
            if not inside.is_symlink():
                inside.chmod(stat.S_IRWXU)
    shutil.rmtree(path)
