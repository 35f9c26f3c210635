"""Whether a pull request can be merged, and merging it by each of GitHub's three methods, with real git."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import mkdtemp

from fakes.forge.api_errors import Answered
from fakes.forge.bare_git import BareRepository, GitFailed, identity, run_git
from fakes.forge.check_records import CheckStatus, StatusState
from fakes.forge.closing import with_merged
from fakes.forge.protection import Protection
from fakes.forge.pulls import merged
from fakes.forge.records import Pull
from fakes.forge.store import Repository

FORGE_EMAIL = "noreply@forge.localhost"


class Method(StrEnum):
    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


class MergeableState(StrEnum):
    CLEAN = "clean"
    DIRTY = "dirty"
    DRAFT = "draft"
    BLOCKED = "blocked"
    BEHIND = "behind"
    UNSTABLE = "unstable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Mergeability:
    mergeable: bool | None
    """None: not known, since it is closed or still being computed."""
    state: MergeableState
    commit: str | None = None
    """What merging would make now: GitHub's `merge_commit_sha` of an open pull request."""


@dataclass(frozen=True)
class MergeWanted:
    method: Method = Method.MERGE
    sha: str | None = None
    """Only if the head is still there."""
    title: str | None = None
    message: str | None = None
    closes_in_any: bool = False
    """It closes issues whichever branch it is merged into."""


class Mergeabilities:
    """Computed once for each pair of base and head."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str | None] = {}
        self._asked: Counter[tuple[str, str]] = Counter()

    async def of(self, repository: Repository, pull: Pull) -> Mergeability:
        if not pull.is_open:
            return Mergeability(None, MergeableState.UNKNOWN, pull.merge_commit_sha)
        pair = (pull.base_sha, pull.head_sha)
        if self._asked[pair] < repository.record.slow_mergeability:
            self._asked[pair] += 1
            return Mergeability(None, MergeableState.UNKNOWN)
        if pair not in self._known:
            self._known[pair] = await _test_merge(repository.git, pull)
        commit = self._known[pair]
        if commit is None:
            return Mergeability(False, MergeableState.DIRTY)
        protection = await protection_of(repository, pull)
        return Mergeability(True, _state_without_conflict(protection), commit)


async def merge(repository: Repository, number: int, wanted: MergeWanted, by: str) -> str:
    """Merge the pull request into its base branch; gives the new commit. Answered with 405 or 409 as GitHub does."""
    async with repository.changing():
        pull = repository.record.pull(number)
        assert pull is not None
        _check_may_merge(pull, wanted)
        if refusals := list((await protection_of(repository, pull)).refusals()):
            raise Answered(405, " ".join(refusals))
        if pull.base in repository.record.queue_of:
            raise Answered(405, "Changes must be made through the merge queue")
        commit = await merging_commit(repository, pull, wanted, by)
        try:
            await repository.git.move(f"refs/heads/{pull.base}", commit, pull.base_sha)
        except GitFailed as error:
            raise Answered(405, "Base branch was modified. Review and try the merge again.") from error
        done = merged(pull, commit, by).model_copy(update={"merged_as": wanted.method.value})
        repository.record = with_merged(repository.record, done, into_any=wanted.closes_in_any)
        return commit


async def merging_commit(repository: Repository, pull: Pull, wanted: MergeWanted, by: str) -> str:
    """What its base branch would be at afterwards; Answered with 405 where that can't be."""
    match wanted.method:
        case Method.MERGE:
            return await _merge_commit(repository, pull, wanted, by)
        case Method.SQUASH:
            return await _squashed(repository, pull, wanted)
        case Method.REBASE:
            return await _rebased(repository, pull)


def _check_may_merge(pull: Pull, wanted: MergeWanted) -> None:
    if not pull.is_open:
        raise Answered(405, "Pull Request is not mergeable")
    if wanted.sha is not None and wanted.sha != pull.head_sha:
        raise Answered(409, "Head branch was modified. Review and try the merge again.")
    if pull.draft:
        raise Answered(405, "Pull Request is still a draft")


async def _test_merge(git: BareRepository, pull: Pull) -> str | None:
    tree = await git.merged_tree(pull.base_sha, pull.head_sha)
    if tree is None:
        return None
    message = f"Merge {pull.head_sha} into {pull.base_sha}"
    # Of the pull request's own age, so that the same pair makes the same commit.
    who = identity("GitHub", FORGE_EMAIL, pull.created_at)
    commit = await git.commit_tree(tree, (pull.base_sha, pull.head_sha), message, who)
    await git.run("update-ref", f"refs/pull/{pull.number}/merge", commit)
    return commit


async def protection_of(repository: Repository, pull: Pull) -> Protection:
    is_behind = not await repository.git.is_ancestor(pull.base_sha, pull.head_sha)
    return Protection(repository.record, pull, is_behind)


def _state_without_conflict(protection: Protection) -> MergeableState:
    """GitHub names the first that holds; in this order from memory."""
    record, pull = protection.record, protection.pull
    if pull.draft:
        return MergeableState.DRAFT
    if refusals := list(protection.refusals()):
        only_behind = protection.wants_update and len(refusals) == 1
        return MergeableState.BEHIND if only_behind else MergeableState.BLOCKED
    checks, statuses = record.checks_of(pull.head_sha), record.statuses_of(pull.head_sha)
    unready = any(each.failed or each.status is not CheckStatus.COMPLETED for each in checks)
    if unready or any(each.state is not StatusState.SUCCESS for each in statuses):
        return MergeableState.UNSTABLE
    return MergeableState.CLEAN


async def _tree(repository: Repository, pull: Pull) -> str:
    tree = await repository.git.merged_tree(pull.base_sha, pull.head_sha)
    if tree is None:
        raise Answered(405, "Pull Request is not mergeable")
    return tree


async def _merge_commit(repository: Repository, pull: Pull, wanted: MergeWanted, by: str) -> str:
    title = wanted.title or f"Merge pull request #{pull.number} from {repository.record.owner}/{pull.head}"
    message = f"{title}\n\n{pull.title if wanted.message is None else wanted.message}".rstrip() + "\n"
    parents = (pull.base_sha, pull.head_sha)
    return await repository.git.commit_tree(await _tree(repository, pull), parents, message, _forge_commit_of(by))


async def _squashed(repository: Repository, pull: Pull, wanted: MergeWanted) -> str:
    commits = await repository.git.commits(pull.base_sha, pull.head_sha)
    title = wanted.title or f"{pull.title} (#{pull.number})"
    listed = "\n\n".join(f"* {each.message}" for each in commits if len(each.parents) < 2)
    message = f"{title}\n\n{listed if wanted.message is None else wanted.message}".rstrip() + "\n"
    tree = await _tree(repository, pull)
    return await repository.git.commit_tree(tree, (pull.base_sha,), message, _forge_commit_of(pull.author))


async def _rebased(repository: Repository, pull: Pull) -> str:
    """Copies of the commits, without merges, on top of the base; made in a worktree that is gone afterwards."""
    folder = Path(await asyncio.to_thread(mkdtemp, prefix="rebase-", dir=repository.git.path.parent))
    worktree = folder / "worktree"
    try:
        await repository.git.run("worktree", "add", "--quiet", "--detach", str(worktree), pull.head_sha)
        try:
            await run_git("rebase", "--quiet", "--no-ff", pull.base_sha, env=_committer(), cwd=worktree)
        except GitFailed as error:
            raise Answered(405, "This branch can't be rebased") from error
        return (await run_git("rev-parse", "HEAD", cwd=worktree)).strip()
    finally:
        await asyncio.to_thread(shutil.rmtree, folder)
        await repository.git.run("worktree", "prune")


def _committer() -> dict[str, str]:
    return identity("GitHub", FORGE_EMAIL)


def _forge_commit_of(login: str) -> dict[str, str]:
    """An app's login ends in `[bot]`, which no address of mail may hold here."""
    mail = f"{login.removesuffix('[bot]')}@forge.localhost"
    return identity("GitHub", FORGE_EMAIL) | {"GIT_AUTHOR_NAME": login, "GIT_AUTHOR_EMAIL": mail}
