"""What a step changed, from the repository's remote: its commits in a cache of the operator's own (rule 6.4).

git runs with the operator's own settings and credentials, and asks for a password only where somebody can type it.
Nothing of the repository is ever checked out or run: no hooks, no external diff, no filters.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from domain.errors import NotReachable, Refused
from domain.models import Work
from domain.value import Value

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never")
_PLAIN_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--find-renames")


class FileChange(Value):
    """A file of a diff; a binary one has no lines."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True)
class CommitRange:
    """Between which commits, and in which files."""

    base: str
    head: str
    files: tuple[FileChange, ...]


class Changes:
    """The commits of one repository, kept in a bare clone below `cache`."""

    def __init__(self, repository: str, cache: Path) -> None:
        self._repository = repository
        self._clone = cache / "changes" / f"{hashlib.sha256(repository.encode()).hexdigest()[:16]}.git"

    async def of(self, work: Work, heads: Collection[str]) -> CommitRange:
        """A step's own change, without what was merged in before its agent began: the `heads` of other steps.

        Raises Refused where the commits are nowhere to be found, NotReachable where the remote can't be asked.
        """
        if not (COMMIT.fullmatch(work.base) and COMMIT.fullmatch(work.head)):
            raise Refused("the step has no commits of its own to compare")
        await self._fetch(work)
        base = await self._start(work, heads)
        counted = await self._git(*_PLAIN_DIFF, "--numstat", "-z", "--no-renames", base, work.head)
        return CommitRange(base, work.head, tuple(_file(line) for line in counted.split("\0") if line))

    async def patch(self, change: CommitRange) -> str:
        return await self._git(*_PLAIN_DIFF, "--color=never", change.base, change.head)

    async def _fetch(self, work: Work) -> None:
        if not self._clone.is_dir():
            await self._git("init", "--bare", "--quiet", "--template=", str(self._clone), inside=False)
        wanted = [commit for commit in (work.base, work.head) if not await self._has(commit)]
        if not wanted:
            return
        try:
            await self._take(*(f"{commit}:refs/kept/{commit}" for commit in wanted))
        except NotReachable:
            if not work.branch:
                raise
            # A server may give out nothing but what a branch points to.
            await self._take(f"+refs/heads/{work.branch}:refs/kept/branches/{work.branch}")
        if not all([await self._has(commit) for commit in wanted]):
            raise Refused(f"{work.head[:10]} is no longer on {self._repository}: its branch {work.branch} has moved on")

    async def _take(self, *refspecs: str) -> None:
        await self._git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", self._repository, *refspecs)

    async def _has(self, commit: str) -> bool:
        try:
            await self._git("cat-file", "-e", f"{commit}^{{commit}}")
        except NotReachable:
            return False
        return True

    async def _start(self, work: Work, heads: Collection[str]) -> str:
        """The newest merge of another step's head on the way from base to head, else the base; a merge that the agent
        has finished itself holds work of the step and can't be told apart.
        """
        told = await self._git("rev-list", "--first-parent", "--parents", f"{work.base}..{work.head}")
        for line in told.splitlines():
            commit, _, *merged = line.split()
            if set(merged) & set(heads):
                return work.base if commit == work.head else commit
        return work.base

    async def _git(self, *args: str, inside: bool = True) -> str:
        """Its output; NotReachable with its last line where it fails: the repository or its remote is not there."""
        where = ("--git-dir", str(self._clone)) if inside else ()
        process = await asyncio.create_subprocess_exec(
            *("git", *_SAFE, *where, *args),
            env=_environment(),
            stdin=None if sys.stdin.isatty() else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            said = err.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
            raise NotReachable(f"git could not read {self._repository}: {said[-1]}")
        return out.decode(errors="replace")


def _environment() -> dict[str, str]:
    """The operator's own, without what would lead git to another repository."""
    kept = {name: value for name, value in os.environ.items() if name not in _ANOTHER_PLACE}
    asks = "1" if sys.stdin.isatty() else "0"
    return {**kept, "GIT_TERMINAL_PROMPT": asks, "LC_ALL": "C.UTF-8"}


_ANOTHER_PLACE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_EXTERNAL_DIFF"}


def _file(line: str) -> FileChange:
    added, removed, path = line.split("\t", 2)
    return FileChange(
        path=path, added=None if added == "-" else int(added), removed=None if removed == "-" else int(removed)
    )
