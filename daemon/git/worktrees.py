"""A task's worktree: a repository of its own that borrows the cache's objects (rules 6.2, 6.4).

Every command here goes through a runner that was handed in. Until the agent starts that may be `Git.run_plainly`;
afterwards it must be the agent's environment and sandbox below the keeper, for what the agent left in the repository
(configuration, filters, merge drivers) runs with it. The daemon's own git, with its credentials, never comes here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from daemon import agent_files
from daemon.git import empty_repository
from daemon.git.agents_failures import of_agent
from daemon.git.arguments import batches
from daemon.git.config import NO_CODE_OF_THE_REPOSITORY, as_environment
from daemon.git.filesystem import settings_of
from daemon.git.git import checked, commit_id
from daemon.git.worktree_scripts import CHECKED_HEAD, COMMIT, HIDES
from daemon.process.run import Finished, Runs
from daemon.sandbox.environment import GitIdentity
from domain.errors import GitError, MakimaError, ProcessTimedOut, UnrelatedHistories, WorktreeBroken

CHECKOUT_TIMEOUT = 900.0
"""Seconds for anything that git does in a worktree."""
AGENTS_TIMEOUT = 180.0
"""The same once an agent has been there, which may have put something in git's way."""
BROKEN = "git can't work in the worktree as the agent has left it"
IMPOSSIBLE = 128
"""git's exit code where it has not even begun to merge."""
UNKNOWN = "?"
"""What `git ls-files -v` marks a file with that isn't in the index."""
SHA256_DIGITS = 64
COMMITS_SHOWN = 40
SETTINGS = {
    **NO_CODE_OF_THE_REPOSITORY,
    "core.sparseCheckout": "false",
    "core.safecrlf": "false",
}
"""For each command: where the agent works in a part of the files, the daemon's git adds and restores all of them."""


@dataclass(frozen=True)
class Incoming:
    """A commit to merge in, and the name that the merge's subject gives it."""

    commit: str
    name: str


class Made(NamedTuple):
    """A new commit, and what git says that it holds."""

    commit: str
    content: bytes


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
    identity: GitIdentity = field(default=GitIdentity())
    is_agents: bool = False
    """An agent has been there: what git can't do is that agent's failure (WorktreeBroken in place of GitError)."""
    within: float = CHECKOUT_TIMEOUT
    """Seconds for each command."""

    @classmethod
    async def make(cls, path: Path, *, cache: Path, commit: str, runs: Runs, identity: GitIdentity) -> Worktree:
        """Make the worktree at the absolute, still missing `path`: detached at `commit`, no remote, the objects
        borrowed from `cache`. Raises GitError.
        """
        worktree = cls(path, runs, identity)
        await asyncio.to_thread(path.mkdir)
        await asyncio.to_thread(_lay_out, path, cache, commit)
        await worktree.git("checkout", "--quiet", "--detach", commit_id(commit))
        return worktree

    async def make_anew(self, cache: Path, head: str) -> None:
        """A new repository in place of none: detached at `head`, which the cache holds, its index as that commit is.
        The files stay as they are. Raises like the other commands.
        """
        await asyncio.to_thread(_lay_out, self.path, cache, head)
        await self.git("update-ref", "--no-deref", "HEAD", commit_id(head))
        await self.git("read-tree", "HEAD")

    async def checked_head(self) -> str:
        """Like `head`; fails where git can't read the index, or what it names."""
        return commit_id((await self._script(CHECKED_HEAD, "diff-index", code=1)).text)

    async def merge(self, incoming: Sequence[Incoming]) -> Conflict | None:
        """Merge the commits in, in their order, to the first conflict; a commit that is here already changes nothing.
        Raises UnrelatedHistories where no commit is in common, GitError where git can't merge for another reason.
        """
        for position, one in enumerate(incoming):
            args = ("--no-edit", "--no-verify", "--quiet", "--no-stat", "-m", f"Merge {_line(one.name)}")
            merged = await self.git("merge", *args, commit_id(one.commit), also=(1, IMPOSSIBLE))
            if merged.exit_code == IMPOSSIBLE:
                raise _impossible(one, merged)
            if merged.exit_code == 1:
                files = await self.conflicted_files()
                if not files:
                    raise GitError(str(merged))
                return Conflict(one, files, tuple(incoming[position + 1 :]))
        return None

    async def commit_all(
        self, subject: str, trailers: Mapping[str, str], without: Sequence[str] = (), *, known_only: bool = False
    ) -> Made | None:
        """Commit everything that isn't ignored, a merge in progress included; the new commit, None if there is nothing
        to commit. The files `without` stay as HEAD has them. Repositories that an agent has made inside stay out: git
        would take no file of them. `known_only`: no file that is new to git.
        """
        lines = "".join(f"{name}: {_line(value)}\n" for name, value in trailers.items())
        message = f"{_line(subject)}\n\n{lines}".encode(errors="surrogateescape")
        adds, merging = "--update" if known_only else "--all", await self.merging()
        if not without:
            done = await self._script(COMMIT, "commit", adds, merging, "look", stdin=message, code=HIDES)
        if without or done.exit_code == HIDES:
            if out := (*without, *await self._reveal()):
                await self._add(adds, out)
            done = await self._script(COMMIT, "commit", "" if out else adds, merging, "", stdin=message)
        told, _, content = done.stdout.partition(b"\n")
        # One line end is not the commit's own.
        return Made(commit_id(told.split(b" ")[0].decode(errors="replace")), content[:-1]) if told else None

    async def _reveal(self) -> list[str]:
        """Have git see the files again that the agent has told it not to look at: a change of theirs is work, too. What
        `git sparse-checkout` leaves out of the worktree isn't there, and not deleted. The repositories inside.
        """
        listed = await self.git("ls-files", "-z", "-v", "--cached", "--others", "--exclude-standard")
        entries = [entry.partition(" ")[::2] for entry in listed.names]
        unlooked = [path for told, path in entries if told.islower()]
        skipped = [path for told, path in entries if told in ("S", "s")]
        there = await asyncio.to_thread(lambda: [path for path in skipped if os.path.lexists(self.path / path)])
        for option, paths in (("--no-assume-unchanged", unlooked), ("--no-skip-worktree", there)):
            if paths:
                await self.git("update-index", option, "-z", "--stdin", stdin=_joined(paths) + b"\0")
        return [path.rstrip("/") for told, path in entries if told == UNKNOWN and path.endswith("/")]

    async def lay_over(self, commit: str) -> None:
        """Make the files what they are in `commit`, as changes that nobody has committed; HEAD and index stay."""
        await self.git("restore", f"--source={commit_id(commit)}", "--worktree", "--ignore-unmerged", "--", ":/")

    async def head(self) -> str:
        """The commit that the worktree is at, on whatever branch an agent made."""
        return commit_id((await self.git("rev-parse", "--verify", "HEAD^{commit}")).text)

    async def conflicted_files(self) -> tuple[str, ...]:
        """The files that the index holds as unmerged."""
        return (await self.git("diff", "--name-only", "-z", "--diff-filter=U", "--no-ext-diff")).names

    async def merging(self) -> str:
        """The commit whose merge is in progress; empty: none is."""
        if not await asyncio.to_thread(os.path.lexists, self.path / ".git" / "MERGE_HEAD"):
            return ""
        head = await self.git("rev-parse", "--quiet", "--verify", "MERGE_HEAD", also=(1, IMPOSSIBLE))
        return commit_id(head.text) if head.exit_code == 0 else ""

    async def both_sides(self, incoming: str, files: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The last few commits that changed `files` on HEAD alone and on `incoming` alone, newest first, each as a line
        of short name and subject; where one command doesn't take so many names, of the first files.
        """
        options = ("--left-right", "--no-merges", f"--max-count={COMMITS_SHOWN}", "--format=%m%h %s")
        sides = (f"HEAD...{commit_id(incoming)}", "--", *next(batches(files), []))
        lines = (await self.git("log", *options, *sides, literal=True)).text.splitlines()
        ours, theirs = (tuple(line[1:] for line in lines if line.startswith(side)) for side in "<>")
        return ours, theirs

    async def has_conflict_markers(self, file: str) -> bool:
        """Whether `file` still holds a marker that a conflict begins or ends with."""
        markers = ("-e", "^<<<<<<< ", "-e", "^>>>>>>> ")
        search = ("grep", "--quiet", "--untracked", "--no-textconv", *markers, "--", file)
        return (await self.git(*search, also=(1,), literal=True)).exit_code == 0

    async def tracked(self, paths: Sequence[str]) -> frozenset[str]:
        """Those of `paths` that git knows here."""
        asked = [await self.git("ls-files", "-z", "--", *some, literal=True) for some in batches(paths)]
        return frozenset().union(*(listed.names for listed in asked))

    async def untracked(self) -> frozenset[str]:
        """The files that git neither knows nor ignores; of a folder without known files only its name with a slash."""
        listed = await self.git("ls-files", "-z", "--others", "--exclude-standard", "--directory")
        return frozenset(listed.names)

    async def exclude(self, paths: Sequence[str]) -> None:
        """Have git ignore `paths` from now on, in this worktree alone."""
        # By the worktree's own runner: what ran here may have put a link in place of the file.
        lines = "".join(f"{excluding(path)}\n" for path in paths if "\n" not in path)
        append = ("sh", "-c", "mkdir -p .git/info && cat >> .git/info/exclude")
        stdin = lines.encode(errors="surrogateescape")
        if lines:
            checked(await self.runs(append, cwd=self.path, env={}, stdin=stdin, timeout=CHECKOUT_TIMEOUT))

    async def ignored(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Those of `paths` that git ignores here and doesn't know."""
        return (await self.git("check-ignore", "-z", "--stdin", stdin=_joined(paths), also=(1, IMPOSSIBLE))).names

    async def shell(self, script: str) -> str:
        """What a script prints that is run in the worktree, by its runner, whatever its exit code."""
        env = as_environment(NO_CODE_OF_THE_REPOSITORY) | {"GIT_NO_REPLACE_OBJECTS": "1"}
        return (await self.runs(("sh", "-c", script), cwd=self.path, env=env, timeout=CHECKOUT_TIMEOUT)).text

    async def stat_since(self, commit: str) -> str:
        """What has changed since `commit`, committed or not: a line for each file that git knows."""
        return (await self.git("diff", "--stat", commit_id(commit))).text

    async def changes(self) -> bool:
        """Whether a file that git knows is not as HEAD has it."""
        asked = await self.git("diff", "--quiet", "--no-ext-diff", "--ignore-submodules=dirty", "HEAD", also=(1,))
        return asked.exit_code == 1

    async def at(self, commit: str) -> None:
        """Make HEAD and the index what they are in `commit`; the files stay as they are."""
        await self.git("reset", "--quiet", commit_id(commit))

    async def bring_back(self, commit: str, untracked: frozenset[str]) -> None:
        """Make HEAD and all files what they are in `commit`; of the others stay the ignored ones, and `untracked`."""
        await self.git("reset", "--quiet", "--hard", commit_id(commit))
        for gone in batches(sorted(await self.untracked() - untracked)):
            await self.git("clean", "--quiet", "-d", "--force", "--", *gone, literal=True)

    async def remove(self) -> None:
        """Remove the worktree with all its files, read-only folders included; nothing to do when it is gone."""
        await asyncio.to_thread(agent_files.remove_tree, self.path)

    async def _add(self, which: str, without: Sequence[str]) -> None:
        from_stdin = ("--pathspec-from-file=-", "--pathspec-file-nul")
        # The agent may have added them to the index already.
        await self.git("reset", "--quiet", *from_stdin, stdin=_joined(without), literal=True)
        wanted = [":/", *(f":(top,exclude,literal){path}" for path in without)]
        await self.git("add", which, *from_stdin, stdin=_joined(wanted))

    async def git(self, *args: str, stdin: bytes = b"", also: Sequence[int] = (), literal: bool = False) -> Finished:
        """A command of git here, ended with 0 or one of `also`; raises GitError, WorktreeBroken."""
        # The folder is named: without its .git, which an agent may remove, git would look for one further up.
        argv = ("git", "--git-dir=.git", "--work-tree=.", *(("--literal-pathspecs",) if literal else ()), *args)
        return await self._run(argv, stdin, also)

    async def _script(self, script: str, name: str, *words: str, stdin: bytes = b"", code: int = 0) -> Finished:
        """The same of several commands, ended with 0 or `code`, which are told of as git's `name`."""
        return await self._run(("sh", "-c", script, name, *words), stdin, (code,), name)

    async def _run(self, argv: Sequence[str], stdin: bytes, also: Sequence[int], name: str = "") -> Finished:
        settings = {**SETTINGS, **await asyncio.to_thread(settings_of, self.path.parent)}
        env = as_environment(settings) | {"GIT_NO_REPLACE_OBJECTS": "1"} | self.identity.environment
        try:
            done = await self.runs(argv, cwd=self.path, env=env, stdin=stdin, timeout=self.within)
        except ProcessTimedOut as error:
            if not self.is_agents:
                raise
            raise WorktreeBroken(f"{BROKEN}: {error}") from error
        done = replace(done, argv=("git", name)) if name else done
        return of_agent(done, BROKEN, *also) if self.is_agents else checked(done, *also)


def _impossible(one: Incoming, merged: Finished) -> MakimaError:
    if "unrelated histories" not in merged.stderr:
        return GitError(str(merged))
    return UnrelatedHistories(
        f"the work of {one.name!r} ({one.commit[:12]}) has no commit in common with what it is merged into"
    )


def _lay_out(path: Path, cache: Path, like: str) -> None:
    """A repository that knows the cache's objects from the start, and names its own as the commit `like` is named."""
    (path / ".git").mkdir()  # never in what is there
    empty_repository.lay_out(path / ".git", cache, is_sha256=len(like) == SHA256_DIGITS, is_bare=False)


def excluding(path: str) -> str:
    """What stands for exactly this path in a list of ignored ones; pure."""
    return "/" + "".join(f"\\{each}" if each in "\\*?[ " else each for each in path)


def _joined(names: Sequence[str]) -> bytes:
    return "\0".join(names).encode(errors="surrogateescape")


def _line(text: str) -> str:
    """`text` on one line: a subject or trailer with a line end in it would say something else."""
    return " ".join(text.split())
