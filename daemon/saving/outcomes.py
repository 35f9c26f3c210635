"""Exactly once (SPEC 6.8): an attempt's outcome is a ref on the remote that can be created only once.

The outcome goes first, the branch second. Creating the ref decides which delivery's work counts; the branch follows
from it and can be pushed again by whoever finds the outcome (docs/decisions/0002-outcome-ref.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from daemon.git.command import commit_id
from daemon.git.pushing import lease, push
from daemon.git.repositories import FETCH_TIMEOUT, RepositoryCache
from daemon.git.sealing import holds, seal
from daemon.git.state_refs import REFS, finished_name, in_all_places, outcome_name
from domain.errors import LeaseLost, RefRefused
from domain.models import Work

OUTCOME_FILE = "outcome.json"


@dataclass(frozen=True)
class StoredOutcome:
    """An outcome on the remote: its bytes as they were published, and the commit of the work, if there was any."""

    payload: bytes
    head: str | None
    commit: str
    is_published: bool = True
    """False: only this machine has it; its delivery lost the attempt before the remote could be told."""


@dataclass(frozen=True)
class Publication:
    """What publishing came to: `outcome` is the one that counts, ours if `won`, else that of another delivery."""

    won: bool
    outcome: StoredOutcome
    ref: str


def outcome_ref(task: str, attempt: int) -> str:
    """The ref that holds the outcome of an attempt, where the remote takes such refs."""
    return REFS + outcome_name(task, attempt)


def finished_ref(task: str, attempt: int) -> str:
    """The ref of this machine's cache that holds an outcome until it is published."""
    return REFS + finished_name(task, attempt)


class Outcomes:
    """The outcomes and branches of one repository's tasks."""

    def __init__(self, cache: RepositoryCache) -> None:
        self._cache = cache

    async def find_outcome(self, task: str, attempt: int) -> StoredOutcome | None:
        """The outcome that an earlier delivery published, with its work fetched into the cache. Raises RepositoryError,
        GitUnreachable, GitError.
        """
        stored, _ = await self.look(task, attempt, outcome_ref(task, attempt))
        return stored

    async def look(self, task: str, attempt: int, branch: str) -> tuple[StoredOutcome | None, str]:
        """The first act of a delivery: the same, and where the ref `branch` is on the remote (empty: nowhere), by one
        talk with it.
        """
        refs = in_all_places(outcome_name(task, attempt))
        found = await self._cache.listed(*refs, branch)
        for ref in refs:
            if ref in found:
                return await self._fetched(ref, found[ref]), found.get(branch, "")
        kept = await self._here(outcome_ref(task, attempt))
        return await self._read(kept) if kept else None, found.get(branch, "")

    async def ended_in(self, head: str, task: str, attempt: int) -> bool:
        """Whether `head`, where the task's branch is, is itself the evidence of the attempt's end."""
        await self._cache.ensure([head])
        return await holds(self._cache, head, task, attempt)

    async def sealed(self, work: Work, task: str, attempt: int) -> Work:
        """The work with a last commit that names the attempt, for a remote that keeps no outcome."""
        return work.model_copy(update={"head": await seal(self._cache, work.head, task, attempt)})

    async def work_in(self, branch: str, base: str, head: str) -> Work:
        """What can be known of work by its commits, which must be in the cache."""
        commits = (await self._cache.local("rev-list", "--count", f"{commit_id(base)}..{commit_id(head)}")).text
        files = (await self._cache.local("diff", "--name-only", "-z", "--no-renames", base, head)).names
        return Work(branch=branch, base=base, head=head, commits=int(commits), files_changed=len(files), replaces=head)

    async def publish_outcome(self, task: str, attempt: int, payload: bytes, head: str | None) -> Publication:
        """The last act of a delivery, after `take(head)`: create the ref, which must not exist yet.

        A push whose answer was lost is looked up, so an outcome of ours that arrived counts as won. Raises RefRefused
        where the remote takes it in no place; GitUnreachable and GitError leave it open: publish again, the same
        payload.
        """
        name = outcome_name(task, attempt)
        commit = await self._write(payload, head)
        refusals = []
        for ref in in_all_places(name):
            failure = await push(self._cache, commit, ref, lease(ref, None))
            if failure is None:
                return Publication(won=True, outcome=StoredOutcome(payload, head, commit), ref=ref)
            if (there := await self._cache.on_remote(ref)) is not None:
                return Publication(won=there == commit, outcome=await self._fetched(ref, there), ref=ref)
            if not isinstance(failure, RefRefused):
                raise failure
            refusals.append(failure)
        raise refusals[0]

    async def keep_outcome(self, task: str, attempt: int, payload: bytes, head: str | None) -> StoredOutcome:
        """For a remote that takes no ref at all: the attempt's outcome in this machine's cache, the first one that was
        kept there (docs/decisions/0004).
        """
        ref, commit = outcome_ref(task, attempt), await self._write(payload, head)
        nothing = "0" * len(commit)
        await self._cache.local("update-ref", ref, commit, nothing, also=(128,))
        return await self._read((await self._cache.local("show-ref", "--verify", "--hash", ref)).text)

    async def keep_finished(self, task: str, attempt: int, payload: bytes, head: str | None) -> None:
        """Before anything is asked of anybody: the work is done, and must not be done again by this machine whatever
        becomes of its delivery. It decides nothing.
        """
        await self._cache.local("update-ref", finished_ref(task, attempt), await self._write(payload, head))

    async def finished(self, task: str, attempt: int) -> StoredOutcome | None:
        """What `keep_finished` has kept."""
        commit = await self._here(finished_ref(task, attempt))
        return replace(await self._read(commit), is_published=False) if commit else None

    async def forget_if_published(self, task: str, attempt: int) -> None:
        """Remove what `keep_finished` has kept where the attempt has ended without it. Raises like `find_outcome`."""
        refs = in_all_places(outcome_name(task, attempt))
        if await self._here(finished_ref(task, attempt)) and await self._cache.listed(*refs):
            await self.forget_finished(task, attempt)

    async def forget_finished(self, task: str, attempt: int) -> None:
        await self._cache.local("update-ref", "-d", finished_ref(task, attempt))

    async def push_branch(self, branch: str, commit: str, expected_old: str | None) -> None:
        """Put `branch` at `commit`; it must be at `expected_old` (None: must not exist) or at `commit` already.

        Raises LeaseLost if it is elsewhere, RefRefused if the remote won't have it, GitUnreachable, GitError.
        """
        ref = f"refs/heads/{branch}"
        failure = await push(self._cache, commit_id(commit), ref, lease(ref, expected_old))
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
        return head is not None and await self._cache.holds(head, commit)

    async def _here(self, ref: str) -> str:
        """Where a ref of this cache is; empty: nowhere."""
        kept = await self._cache.local("show-ref", "--verify", "--hash", ref, also=(1, 128))
        return kept.text if kept.exit_code == 0 else ""

    async def _write(self, payload: bytes, head: str | None) -> str:
        """A commit that holds the payload and, by its parent, keeps the work reachable on the remote."""
        blob = (await self._cache.local("hash-object", "-w", "--stdin", stdin=payload)).text
        entry = f"100644 blob {blob}\t{OUTCOME_FILE}\n".encode()
        tree = (await self._cache.local("mktree", stdin=entry)).text
        parent = ("-p", commit_id(head)) if head else ()
        return (await self._cache.local("commit-tree", tree, *parent, "-m", "Outcome of an attempt")).text

    async def _fetched(self, ref: str, commit: str) -> StoredOutcome:
        fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *await self._cache.source(), ref)
        await self._cache.remote(*fetch, timeout=FETCH_TIMEOUT)
        return await self._read(commit)

    async def _read(self, commit: str) -> StoredOutcome:
        payload = (await self._cache.local("cat-file", "blob", f"{commit}:{OUTCOME_FILE}")).stdout
        parents = (await self._cache.local("rev-list", "--parents", "--max-count=1", commit)).text.split()[1:]
        return StoredOutcome(payload, parents[0] if parents else None, commit)
