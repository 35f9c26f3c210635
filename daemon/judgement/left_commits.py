"""Commits that the agent made and its work doesn't hold: named, asked about, and saved (rule 6.7)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from daemon.git.git import commit_id
from daemon.git.loose_ends import Kind, LooseEnd
from daemon.git.pushing import ANYWHERE, push
from daemon.git.repositories import RepositoryCache
from daemon.git.state_refs import REFS, in_all_places, left_name
from daemon.judgement.examined import Examined
from daemon.judgement.fault import Fault, fault, named
from daemon.secrets.secret_search import scan
from domain.errors import MakimaError, RefRefused
from domain.failures import FailureCategory

MOST = 20
"""Ends that are looked at, and saved."""
_REMEDY = (
    "Only what HEAD holds counts. Bring in what belongs to the task (`git merge BRANCH`, `git cherry-pick COMMIT`, "
    "`git stash pop`), and remove what doesn't (`git branch -D`, `git tag -d`, `git stash drop`, `git worktree "
    "remove`). Commits on no branch that you don't want can stay where they are."
)


async def left_commits(work: Examined) -> Fault | None:
    """Those that are not in the work, by their changes: a commit that was picked or squashed into it is."""
    left = [str(end) for end in await _left(work, work.loose) if end.kind is not Kind.DISCARDED]
    if not left:
        return None
    return fault(FailureCategory.LEFT, f"commits of yours are not in the work: {named(left)}", _REMEDY)


async def save_left(work: Examined, task: str, attempt: int) -> str:
    """Keep what is left in this machine's cache and, without secrets, on the remote; a line that says what and where,
    empty where nothing is left. A later one takes its place. Raises GitError, GitUnreachable.
    """
    left = await _left(work, work.loose)
    if not left:
        return ""
    cache, name = work.cache, left_name(task, attempt)
    empty = (await cache.local("mktree")).text
    parents = [part for end in left for part in ("-p", end.commit)]
    said = "\n".join(["Commits that an attempt has left beside its work", "", *map(str, left)])
    kept = (await cache.local("commit-tree", empty, *parents, "-m", said)).text
    await cache.local("update-ref", REFS + name, kept)
    where = await _published(cache, kept, name, work.parents, work.allowed)
    return f"commits left beside the work are saved {where}: {named([str(end) for end in left])}"


async def _published(
    cache: RepositoryCache, kept: str, name: str, parents: Sequence[str], allowed: Collection[str]
) -> str:
    here = f"on this machine only ({REFS}{name})"
    if not (await scan(cache, kept, parents, allowed)).is_clean:
        return here
    for ref in in_all_places(name):
        failure = await push(cache, kept, ref, ANYWHERE)
        if failure is None:
            return f"in {ref}"
        if not isinstance(failure, RefRefused):
            return here
    return here


async def _left(work: Examined, ends: Sequence[LooseEnd]) -> list[LooseEnd]:
    left: list[LooseEnd] = []
    for end in ends:
        if len(left) < MOST and not await work.cache.holds(work.head, end.commit) and await _is_left(work, end):
            left.append(end)
    return left


async def _is_left(work: Examined, end: LooseEnd) -> bool:
    """Whether it has a change that the work hasn't."""
    try:
        await work.take(end.commit)
    except MakimaError:
        return False  # there is no such commit
    known = [f"^{commit_id(parent)}" for parent in work.parents]
    both = f"{work.head}...{commit_id(end.commit)}"
    picked = ("rev-list", "--count", "--right-only", "--cherry-pick", "--no-merges", both, *known)
    if (await work.cache.local(*picked)).text == "0":
        return False
    merged = await work.cache.local("merge-tree", "--write-tree", work.head, end.commit, also=(1, 128, 129))
    tree = (await work.cache.local("rev-parse", f"{work.head}^{{tree}}")).text
    return merged.exit_code != 0 or merged.text != tree or await _has_untracked(work, end)


async def _has_untracked(work: Examined, end: LooseEnd) -> bool:
    """A stash keeps untracked files in a third parent."""
    found = await work.cache.local("rev-parse", "--quiet", "--verify", f"{end.commit}^3", also=(1, 128))
    return end.kind is Kind.STASH and found.exit_code == 0
