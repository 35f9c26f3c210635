"""Commits that the agent made and its work doesn't hold: named, asked about, and saved (rule 6.7)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

from daemon.git.agents_refs import LeftIn, LooseEnd
from daemon.git.commits import index_of
from daemon.git.git import commit_id
from daemon.git.pushing import lease, push
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import REFS, in_all_places, left_name
from daemon.git.worktrees import Incoming
from daemon.judgement.check import Examined, Fault, fault, named
from daemon.secrets.secret_search import scan
from domain.errors import GitError, RefRefused, WorktreeBroken
from domain.failures import FailureCategory

MOST = 20
"""Ends that are looked at, and saved."""
_DATE = "@0 +0000"
_UNDATED = {"GIT_AUTHOR_DATE": _DATE, "GIT_COMMITTER_DATE": _DATE}
_REMEDY = (
    "Only what HEAD holds counts. Bring in what belongs to the task (`git merge BRANCH`, `git cherry-pick COMMIT`, "
    "`git stash pop`), and remove what doesn't (`git branch -D`, `git tag -d`, `git stash drop`, `git worktree "
    "remove`). Commits on no branch that you don't want can stay where they are."
)


async def left_commits(work: Examined) -> Fault | None:
    """Those that are not in the work, by their changes: a commit that was picked or squashed into it is."""
    left = [str(end) for end in await _left(work, work.loose) if end.kind is not LeftIn.DISCARDED]
    if not left:
        return None
    return fault(FailureCategory.LEFT, f"commits of yours are not in the work: {named(left)}", _REMEDY)


class Kept(NamedTuple):
    """Commits that were left, all in the cache, and a line that says what they are and where they are saved."""

    said: str = ""
    ends: tuple[LooseEnd, ...] = ()


async def save_left(work: Examined, task: str, attempt: int) -> Kept:
    """Keep what is left in this machine's cache and, without secrets, on the remote. Nothing that was kept before is
    replaced. Raises GitError, GitUnreachable.
    """
    left = await _left(work, work.loose)
    if not left:
        return Kept()
    cache = work.cache
    empty = (await cache.local("mktree")).text
    parents = [part for end in left for part in ("-p", await _whole(cache, end))]
    said = "\n".join(["Commits that an attempt has left beside its work", "", *map(str, left)])
    # The same commits make the same one, whichever delivery keeps them.
    kept = (await cache.local("commit-tree", empty, *parents, "-m", said, env=_UNDATED)).text
    name = f"{left_name(task, attempt)}/{hashlib.sha256(kept.encode()).hexdigest()[:8]}"
    await cache.local("update-ref", REFS + name, kept)
    where = await _published(cache, kept, name, work.parents, work.allowed)
    said = f"commits left beside the work are saved {where}: {named([str(end) for end in left])}"
    return Kept(said, tuple(left))


async def heads_of(cache: RepositoryCache, ends: Sequence[LooseEnd]) -> tuple[Incoming, ...]:
    """What has to be merged for all of them to be in the work, with the names that a person knows. Raises GitError."""
    whole = {await _whole(cache, end): str(end) for end in ends}
    heads = await cache.independent(list(whole))
    return tuple(Incoming(commit, name) for commit, name in whole.items() if commit in heads)


async def _whole(cache: RepositoryCache, end: LooseEnd) -> str:
    """The commit; of a stash one that holds its untracked files, too, which stand in a third parent."""
    if end.kind is not LeftIn.STASH:
        return end.commit
    trees = [end.commit, *([f"{end.commit}^3"] if await _has_untracked(cache, end) else [])]
    async with index_of(cache, trees[0]) as env:
        for tree in trees[1:]:
            listed = (await cache.local("ls-tree", "-r", "-z", "--full-tree", tree)).stdout
            await cache.local("update-index", "-z", "--index-info", stdin=listed, env=env)
        whole = (await cache.local("write-tree", env=env)).text
    asked = ("commit-tree", whole, "-p", f"{end.commit}^1", "-m", end.name or "A stash")
    return (await cache.local(*asked, env=_UNDATED)).text


async def _published(
    cache: RepositoryCache, kept: str, name: str, parents: Sequence[str], allowed: Collection[str]
) -> str:
    here = f"on this machine only ({REFS}{name})"
    if not (await scan(cache, kept, parents, allowed)).is_clean:
        return here
    for ref in in_all_places(name):
        failure = await push(cache, kept, ref, lease(ref, None))
        if failure is None or await cache.on_remote(ref) == kept:
            return f"in {ref}"
        if not isinstance(failure, RefRefused):
            return here
    return here


async def _left(work: Examined, ends: Sequence[LooseEnd]) -> list[LooseEnd]:
    left: list[LooseEnd] = []
    for end in ends:
        if len(left) >= MOST or await work.cache.holds(work.head, end.commit):
            continue
        taken = await _taken(work, end)
        if taken and await _is_left(work, taken):
            left.append(taken)
    return left


async def _taken(work: Examined, end: LooseEnd) -> LooseEnd | None:
    """The commit, in the cache; where git refuses it (`git fsck`) another one with its files. None: there is none."""
    try:
        await work.take(end.commit)
        return end
    except WorktreeBroken:
        asked = f"git --git-dir=.git commit-tree {commit_id(end.commit)}^{{tree}} -p HEAD -m 'Files of {end.commit}'"
        made = (await work.run_script(asked)).strip()
    try:
        await work.take(made)
    except (WorktreeBroken, GitError):
        return None
    return LooseEnd(end.kind, made, end.name)


async def _is_left(work: Examined, end: LooseEnd) -> bool:
    """Whether it has a change that the work hasn't."""
    known = [f"^{commit_id(parent)}" for parent in work.parents]
    both = f"{work.head}...{commit_id(end.commit)}"
    picked = ("rev-list", "--count", "--right-only", "--cherry-pick", "--no-merges", both, *known)
    if (await work.cache.local(*picked)).text == "0":
        return False
    merged = await work.cache.local("merge-tree", "--write-tree", work.head, end.commit, also=(1, 128, 129))
    tree = (await work.cache.local("rev-parse", f"{work.head}^{{tree}}")).text
    return merged.exit_code != 0 or merged.text != tree or await _has_untracked(work.cache, end)


async def _has_untracked(cache: RepositoryCache, end: LooseEnd) -> bool:
    """A stash keeps untracked files in a third parent."""
    found = await cache.local("rev-parse", "--quiet", "--verify", f"{end.commit}^3", also=(1, 128))
    return end.kind is LeftIn.STASH and found.exit_code == 0
