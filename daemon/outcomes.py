"""Exactly once (SPEC 6.8): an attempt's outcome is a ref on the remote that can be created only once.

The outcome goes first, the branch second. Creating the ref decides which delivery's work counts; the branch follows
from it and can be pushed again by whoever finds the outcome (docs/decisions/0002-outcome-ref.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from daemon.git import commit_id
from daemon.process import Finished
from daemon.repositories import FETCH_TIMEOUT, PUSH_TIMEOUT, RepositoryCache
from domain.errors import GitError, GitUnreachable, LeaseLost, MakimaError, RefRefused, RepositoryError

OUTCOME_FILE = "outcome.json"

_REJECTION = re.compile(r"^!\t[^\t]*\t(?P<summary>.*)$", re.MULTILINE)
_MAY_PASS = re.compile(r"stale info|failed to update ref|cannot lock ref|unpacker error|missing necessary objects")
"""What is said of a change that the remote takes in principle, but that could not be made just now."""


@dataclass(frozen=True)
class StoredOutcome:
    """An outcome on the remote: its bytes as they were published, and the commit of the work, if there was any."""

    payload: bytes
    head: str | None
    commit: str


@dataclass(frozen=True)
class Publication:
    """What publishing came to: `outcome` is the one that counts, ours if `won`, else that of another delivery."""

    won: bool
    outcome: StoredOutcome


def outcome_ref(task: str, attempt: int) -> str:
    """The ref that holds the outcome of an attempt, outside of what a clone fetches."""
    return f"refs/makima/outcomes/{task}/{attempt}"


class Outcomes:
    """The outcomes and branches of one repository's tasks."""

    def __init__(self, cache: RepositoryCache) -> None:
        self._cache = cache

    async def find_outcome(self, task: str, attempt: int) -> StoredOutcome | None:
        """The first act of a delivery: the outcome that an earlier one published, with its work fetched into the cache.
        Raises RepositoryError, GitUnreachable, GitError.
        """
        ref = outcome_ref(task, attempt)
        commit = await self._cache.on_remote(ref)
        if commit is None:
            return None
        fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", self._cache.url.text, ref)
        await self._cache.remote(*fetch, timeout=FETCH_TIMEOUT)
        return await self._read(commit)

    async def publish_outcome(self, task: str, attempt: int, payload: bytes, head: str | None) -> Publication:
        """The last act of a delivery, after `take(head)`: create the ref, which must not exist yet.

        A push whose answer was lost is looked up, so an outcome of ours that arrived counts as won. Raises RefRefused
        where the remote takes no such ref; GitUnreachable and GitError leave it open: publish again, the same payload.
        """
        ref = outcome_ref(task, attempt)
        commit = await self._write(payload, head)
        failure = await self._push(commit, ref, expected=None)
        if failure is None:
            return Publication(won=True, outcome=StoredOutcome(payload, head, commit))
        stored = await self.find_outcome(task, attempt)
        if stored is None:
            raise failure
        return Publication(won=stored.commit == commit, outcome=stored)

    async def push_branch(self, branch: str, commit: str, expected_old: str | None) -> None:
        """Put `branch` at `commit`; it must be at `expected_old` (None: must not exist) or at `commit` already.

        Raises LeaseLost if it is elsewhere, RefRefused if the remote won't have it, GitUnreachable, GitError.
        """
        ref = f"refs/heads/{branch}"
        failure = await self._push(commit_id(commit), ref, expected=expected_old)
        if failure is None:
            return
        found = await self._cache.on_remote(ref)
        if found == commit:
            return
        if found != expected_old:
            raise LeaseLost(f"{branch} is at {found or 'none'}, not at {expected_old or 'none'}") from failure
        raise failure

    async def branch_holds(self, branch: str, commit: str) -> bool:
        """Whether `branch` on the remote holds `commit` at this moment. Raises RepositoryError, GitUnreachable."""
        await self._cache.fetch()
        head = await self._cache.branch_commit(branch)
        if head is None:
            return False
        asked = await self._cache.local("merge-base", "--is-ancestor", commit_id(commit), head, also=(1,))
        return asked.exit_code == 0

    async def _write(self, payload: bytes, head: str | None) -> str:
        """A commit that holds the payload and, by its parent, keeps the work reachable on the remote."""
        blob = (await self._cache.local("hash-object", "-w", "--stdin", stdin=payload)).text
        entry = f"100644 blob {blob}\t{OUTCOME_FILE}\n".encode()
        tree = (await self._cache.local("mktree", stdin=entry)).text
        parent = ("-p", commit_id(head)) if head else ()
        return (await self._cache.local("commit-tree", tree, *parent, "-m", "Outcome of an attempt")).text

    async def _read(self, commit: str) -> StoredOutcome:
        payload = (await self._cache.local("cat-file", "blob", f"{commit}:{OUTCOME_FILE}")).stdout
        parents = (await self._cache.local("rev-list", "--parents", "--max-count=1", commit)).text.split()[1:]
        return StoredOutcome(payload, parents[0] if parents else None, commit)

    async def _push(self, commit: str, ref: str, *, expected: str | None) -> MakimaError | None:
        """Push with an explicit lease. None: it is there; else the error to raise, should the remote show no better
        reason: a lost race looks like a failed write, and a broken line tells nothing of what arrived before it broke.
        """
        lease = f"--force-with-lease={ref}:{expected or ''}"  # a bare lease would trust whatever was fetched last
        push = ("push", *self._cache.push_options(), lease, self._cache.url.text, f"{commit}:{ref}")
        try:
            pushed = await self._cache.remote(*push, timeout=PUSH_TIMEOUT, also=(1,))
        except (GitError, RepositoryError) as error:
            return error
        return None if pushed.exit_code == 0 else self._rejection(ref, pushed)

    def _rejection(self, ref: str, pushed: Finished) -> MakimaError:
        status = _REJECTION.search(pushed.text)
        if status is None:
            return GitUnreachable(str(pushed))
        said = f"{status['summary']} {' '.join(pushed.stderr.split())}"
        if _MAY_PASS.search(said):
            return GitError(str(pushed))
        return RefRefused(f"{self._cache.url.display} refuses {ref}: {status['summary']}")
