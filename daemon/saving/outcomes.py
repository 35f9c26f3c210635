"""Exactly once (rule 6.8): an attempt's outcome is a ref on the remote that can be created only once.

The outcome goes first, the branch second. Creating the ref decides which delivery's work counts; the branch follows
from it and can be pushed again by whoever finds the outcome (docs/decisions/0002-outcome-ref.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from daemon.core.attempt_key import AttemptKey
from daemon.git.commits import measured
from daemon.git.git import commit_id
from daemon.git.pushing import lease, push, push_together
from daemon.git.quarantine import fetch_apart, quarantine
from daemon.git.repository_cache import FETCH_TIMEOUT, RepositoryCache
from daemon.git.state_refs import REFS, finished_name, in_all_places, in_the_way, name_of, outcome_name, published_name
from daemon.saving.foreign_state import LARGEST, ForeignState
from daemon.saving.outcome_commits import OutcomeCommits, StoredOutcome, trailers_hold, with_trailers
from domain.errors import LeaseLost, MakimaError, NotVerified, PlaceTaken, RefRefused
from domain.models import Work
from domain.visible import visible

Judge = Callable[[StoredOutcome], Awaitable[str]]
"""Why a stored outcome can't be the attempt's; empty: it can."""


async def believe(_: StoredOutcome) -> str:
    """The judge of whoever only asks whether there is an outcome."""
    return ""


@dataclass(frozen=True)
class Publication:
    """What publishing came to: `outcome` is the one that counts, ours if `won`, else that of another delivery."""

    won: bool
    outcome: StoredOutcome
    ref: str
    with_branch: bool = False
    """The branch was pushed with it."""


def outcome_ref(task: str, attempt: int) -> str:
    """The ref that holds the outcome of an attempt, where the remote takes such refs."""
    return REFS + outcome_name(task, attempt)


def finished_ref(task: str, attempt: int) -> str:
    """The ref of this machine's cache that holds an outcome until it is published."""
    return REFS + finished_name(task, attempt)


class Outcomes:
    """The outcomes and branches of one repository's tasks; of one attempt alone where there is a `key`."""

    def __init__(
        self,
        cache: RepositoryCache,
        key: AttemptKey | None = None,
        judge: Judge = believe,
        foreign: ForeignState | None = None,
    ) -> None:
        """`key`: what was not written with it is not the attempt's; None: the attempt has no secret. `foreign` moves
        what is not the attempt's out of the way; without it what is moved is told to nobody.
        """
        self._cache = cache
        self._key = key
        self._judge = judge
        self._commits = OutcomeCommits(cache, key)
        self._foreign = foreign
        self._foreign_of: dict[str, ForeignState] = {}

    def foreign_at(self, ref: str) -> ForeignState:
        """What moves away that stands at the outcome's place `ref`."""
        attempt = name_of(ref)
        return self._foreign or self._foreign_of.setdefault(attempt, ForeignState(self._cache, attempt))

    async def find_outcome(self, task: str, attempt: int) -> StoredOutcome | None:
        """The outcome that an earlier delivery published, with its work fetched into the cache. Raises RepositoryError,
        GitUnreachable, GitError.
        """
        stored, _ = await self.look(task, attempt)
        return stored

    async def look(self, task: str, attempt: int, *others: str) -> tuple[StoredOutcome | None, dict[str, str]]:
        """The first act of a delivery: the same, and where other refs are on the remote (`others`: as in
        RepositoryCache.listed), by one talk with it. What stands in the outcome's place and is not the attempt's
        outcome is moved out of the way.
        """
        refs = in_all_places(outcome_name(task, attempt))
        found = await self._cache.listed(*refs, *others)
        for ref in refs:
            if ref in found and (stored := await self._theirs(ref, found[ref])):
                return stored, found
        return await self._kept(outcome_ref(task, attempt)), found

    async def find_head(self, task: str, attempt: int) -> str | None:
        """The work of the attempt's outcome, for a person to look at; without the key of an attempt that has one, what
        claims to be it.
        """
        stored = await self.find_outcome(task, attempt)
        if stored or self._key:
            return stored.head if stored else None
        for ref, commit in (await self._cache.listed(*in_all_places(outcome_name(task, attempt)))).items():
            async with quarantine(self._cache) as apart:
                with suppress(NotVerified):
                    await fetch_apart(apart, ref, commit, LARGEST)
                    head = await self._commits.head(apart, commit)
                    await self._take_work(ref, commit)
                    return head
        return None

    async def ended_in(self, head: str, branch: str, task: str, attempt: int) -> bool:
        """Whether `head`, where the task's branch is, is itself the evidence of the attempt's end."""
        await self._cache.ensure([head])
        return await trailers_hold(self._cache, head, task, attempt, self._key, branch)

    async def with_trailers(self, work: Work, task: str, attempt: int) -> Work:
        """The work with a last commit that names the attempt, for a remote that keeps no outcome."""
        head = await with_trailers(self._cache, work.head, task, attempt, self._key, work.branch)
        return work.model_copy(update={"head": head})

    async def work_in(self, branch: str, base: str, head: str) -> Work:
        """What can be known of work by its commits, which must be in the cache."""
        return await measured(self._cache, branch, base, head, replaces=head)

    async def publish_outcome(
        self, task: str, attempt: int, payload: bytes, head: str | None, branch: Work | None = None
    ) -> Publication:
        """The last act of a delivery, after `take(head)`: create the ref, which must not exist yet. `branch`: together
        with the branch of that work, where the remote can.

        A push whose answer was lost is looked up, so an outcome of ours that arrived counts as won. Raises RefRefused
        where the remote takes it in no place, PlaceTaken where something that isn't ours can't be moved out of the
        way; GitUnreachable and GitError leave it open: publish again, the same payload.
        """
        if branch and (together := await self._published_with_branch(task, attempt, payload, branch)):
            return together
        refusals: list[MakimaError] = []
        for ref in in_all_places(outcome_name(task, attempt)):
            published = await self._published(ref, payload, head)
            if isinstance(published, Publication):
                return published
            refusals.append(published)
        raise refusals[0]

    async def _published_with_branch(self, task: str, attempt: int, payload: bytes, work: Work) -> Publication | None:
        """The outcome decides and the branch follows, also here: both change at once, or none does."""
        ref = outcome_ref(task, attempt)
        commit = await self._commits.write(ref, payload, work.head)
        wanted = {ref: (commit, None), f"refs/heads/{work.branch}": (work.head, work.replaces or None)}
        if not await push_together(self._cache, wanted):
            return None
        return Publication(won=True, outcome=StoredOutcome(payload, work.head, commit), ref=ref, with_branch=True)

    async def _published(self, ref: str, payload: bytes, head: str | None) -> Publication | RefRefused:
        """What became of publishing at `ref`; the refusal of a remote that takes no such ref."""
        commit = await self._commits.write(ref, payload, head)
        while True:
            failure = await push(self._cache, commit, ref, lease(ref, None))
            if failure is None:
                return Publication(won=True, outcome=StoredOutcome(payload, head, commit), ref=ref)
            found = await self._cache.listed(ref, *in_the_way(ref))
            if found.get(ref) == commit:
                return Publication(won=True, outcome=StoredOutcome(payload, head, commit), ref=ref)
            if ref in found and (stored := await self._theirs(ref, found[ref])):
                return Publication(won=False, outcome=stored, ref=ref)
            if not found:
                if isinstance(failure, RefRefused):
                    return failure
                raise failure
            foreign = self.foreign_at(ref)
            await foreign.clear({other: at for other, at in found.items() if other != ref})
            if stuck := foreign.left & found.keys():
                raise PlaceTaken(f"something that is not ours stays at {visible(min(stuck))}")

    async def keep_outcome(self, task: str, attempt: int, payload: bytes, head: str | None) -> StoredOutcome:
        """For a remote that takes no ref at all: the attempt's outcome in this machine's cache, the first one that was
        kept there (docs/decisions/0004).
        """
        ref = outcome_ref(task, attempt)
        commit = await self._commits.write(ref, payload, head)
        before = "" if await self._kept(ref) else await self._here(ref)
        expected = before or "0" * len(commit)  # what was kept and can't be read is replaced
        await self._cache.local("update-ref", ref, commit, expected, also=(128,))
        return await self._commits.read(self._cache, ref, await self._here(ref))

    async def forget_outcome(self, task: str, attempt: int) -> None:
        """Remove what `keep_outcome` has kept."""
        await self._cache.local("update-ref", "-d", outcome_ref(task, attempt))

    async def keep_finished(self, task: str, attempt: int, payload: bytes, head: str | None) -> None:
        """Before anything is asked of anybody: the work is done, and must not be done again by this machine whatever
        becomes of its delivery. It decides nothing.
        """
        ref = finished_ref(task, attempt)
        await self._cache.local("update-ref", ref, await self._commits.write(ref, payload, head))

    async def finished(self, task: str, attempt: int) -> StoredOutcome | None:
        """What `keep_finished` has kept, or `keep_published`, where somebody has deleted what was published."""
        places = (finished_ref(task, attempt), REFS + published_name(task, attempt))
        here = await self._cache.refs(*places)
        for ref in places:
            if kept := await self._read(ref, here.get(ref, "")):
                return replace(kept, is_published=False, is_told=ref != places[0])
        return None

    async def keep_published(self, task: str, attempt: int, payload: bytes, head: str | None) -> None:
        """Afterwards, for as long as the delivery's folder is kept: somebody may delete what was published."""
        ref = REFS + published_name(task, attempt)
        await self._cache.local("update-ref", ref, await self._commits.write(ref, payload, head))

    async def forget_published(self, task: str, attempt: int) -> None:
        """Remove what `keep_published` has kept."""
        await self._cache.local("update-ref", "-d", REFS + published_name(task, attempt))

    async def forget_if_published(self, task: str, attempt: int) -> None:
        """Remove what `keep_finished` has kept where the attempt has ended without it. Raises like `find_outcome`."""
        if await self._here(finished_ref(task, attempt)) and await self.find_outcome(task, attempt):
            await self.forget_finished(task, attempt)

    async def forget_finished(self, task: str, attempt: int) -> None:
        await self._cache.local("update-ref", "-d", finished_ref(task, attempt))

    async def push_branch(self, branch: str, commit: str, expected_old: str | None) -> None:
        """Put `branch` at `commit`; it must be at `expected_old` (None: must not exist) or at `commit` already.

        Raises LeaseLost if it is elsewhere, RefRefused if the remote won't have it, GitUnreachable, GitError.
        """
        ref = f"refs/heads/{branch}"
        failure = await push(self._cache, commit_id(commit), ref, lease(ref, expected_old))
        while failure and await self._clear_inside(ref):
            failure = await push(self._cache, commit_id(commit), ref, lease(ref, expected_old))
        if failure is None:
            return
        found = await self._cache.on_remote(ref)
        if found == commit:
            return
        if found != expected_old:
            raise LeaseLost(f"{branch} is at {found or 'none'}, not at {expected_old or 'none'}") from failure
        raise failure

    async def _clear_inside(self, ref: str) -> bool:
        """Whether there were branches inside of a task's, `ref`, and all are moved away: git can't make it beside them,
        and none is ours, for its name ends with the task's id.
        """
        inside = await self._cache.listed(f"{ref}/*") if self._foreign else {}
        if not (inside and self._foreign):
            return False
        await self._foreign.clear(inside)
        return not self._foreign.left & inside.keys()

    async def branch_holds(self, branch: str, commit: str) -> bool:
        """Whether `branch` on the remote holds `commit` at this moment. Raises RepositoryError, GitUnreachable."""
        await self._cache.fetch()
        head = await self._cache.branch_commit(branch)
        return head is not None and await self._cache.holds(head, commit)

    async def _here(self, ref: str) -> str:
        """Where a ref of this cache is; empty: nowhere."""
        return (await self._cache.refs(ref)).get(ref, "")

    async def _kept(self, ref: str) -> StoredOutcome | None:
        """What a ref of this cache holds; None also where this attempt can't have written it."""
        return await self._read(ref, await self._here(ref))

    async def _read(self, ref: str, commit: str) -> StoredOutcome | None:
        try:
            return await self._commits.read(self._cache, ref, commit) if commit else None
        except NotVerified:
            return None

    async def _theirs(self, ref: str, commit: str) -> StoredOutcome | None:
        """The attempt's outcome at `ref` of the remote, its work in the cache; None: it is none, and was moved away."""
        async with quarantine(self._cache) as apart:
            is_here = await self._cache.has(commit)
            try:
                if not is_here:
                    await fetch_apart(apart, ref, commit, LARGEST)
                stored = await self._commits.read(self._cache if is_here else apart, ref, commit)
                if not is_here:
                    await self._take_work(ref, commit)
                if problem := await self._judge(stored):
                    raise NotVerified(problem)
            except NotVerified as why:
                await self.foreign_at(ref).move(self._cache if is_here else apart, ref, commit, str(why))
                return None
        return stored

    async def _take_work(self, ref: str, commit: str) -> None:
        if not await self._cache.has(commit):
            fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *await self._cache.source(), ref)
            await self._cache.remote(*fetch, timeout=FETCH_TIMEOUT)
        if not await self._cache.has(commit):
            raise NotVerified("it was replaced while it was read")
