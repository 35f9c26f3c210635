"""Deletes what merged work has left on a remote (rule 7.5), and nothing whose commits aren't in what was merged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice

from daemon.git.git import commit_id
from daemon.git.pushing import lease
from daemon.git.repository_cache import FETCH_TIMEOUT, PUSH_TIMEOUT, RepositoryCache
from daemon.git.state_refs import in_all_places
from domain.errors import GitError, GitUnreachable
from domain.names import PREFIX
from domain.pull_request import PullRequestState
from domain.tidied import Tidied, Tidying

_NAMED = re.compile(r"-[0-9a-f]{8}(-v\d+)?$")
"""The end of a task's or directive's branch."""
AT_ONCE = 100
"""Refs that one command of git's names."""
LARGEST = 2 * 1024 * 1024 * 1024
"""Bytes of what is fetched at once to be judged."""


async def tidy(cache: RepositoryCache, tidying: Tidying) -> Tidied:
    """Delete the branches and refs that `tidying` names, as far as their work is contained in the base branch or in
    the head of a merged pull request; one that moves meanwhile stays.

    Raises RepositoryError, GitUnreachable, GitError; may be called again.
    """
    await cache.fetch()
    found = await _found(cache, tidying)
    await fetch_refs(cache, [ref for ref in found if not _is_branch(ref)])
    work = await work_of(cache, await commits_of(cache, found))
    missing = await not_held(cache, {commit for commits in work.values() for commit in commits}, tidying)
    gone = {ref: found[ref] for ref in work if not missing.intersection(work[ref])}
    for part in parts(gone):
        await delete(cache, {ref: gone[ref] for ref in part})
    left = await _found(cache, tidying)
    return Tidied(deleted=tuple(ref for ref in found if ref not in left), kept=tuple(left))


async def _found(cache: RepositoryCache, tidying: Tidying) -> dict[str, str]:
    """Ref → commit, of those that are there."""
    branches = {*tidying.branches, *(each.branch for each in tidying.pull_requests)}
    wanted = {f"refs/heads/{branch}" for branch in branches if _is_ours(branch, tidying.branch_prefix)}
    tasks = {str(task) for task in tidying.tasks}
    patterns = (*in_all_places("outcomes/*"), *in_all_places("checkpoints/*"), *wanted)
    there = await cache.listed(*patterns)
    return {ref: commit for ref, commit in there.items() if ref in wanted or task_in(ref) in tasks}


async def fetch_refs(cache: RepositoryCache, refs: Sequence[str]) -> None:
    """What can't be fetched stays where it is: it is none of ours, and must not keep ours from being tidied up."""
    for part in parts(refs):
        try:
            await _fetch(cache, part)
        except GitUnreachable:
            raise
        except GitError:
            for ref in part:
                with suppress(GitError):
                    await _fetch(cache, (ref,))


async def _fetch(cache: RepositoryCache, refs: Sequence[str]) -> None:
    fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *await cache.source())
    await cache.remote(*fetch, *refs, timeout=FETCH_TIMEOUT, largest_file=LARGEST)


async def commits_of(cache: RepositoryCache, found: Mapping[str, str]) -> dict[str, str]:
    """Those that are commits, and here: whoever may push can put anything at a ref."""
    asked = "".join(f"{name}\n" for name in found.values()).encode()
    listed = (await cache.local("cat-file", "--batch-check", stdin=asked)).text.splitlines() if found else []
    kinds = {line.split()[0]: line.split()[1] for line in listed}
    return {ref: name for ref, name in found.items() if kinds[name] == "commit"}


async def work_of(cache: RepositoryCache, found: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Ref → the commits that must not be lost with it. An outcome or checkpoint stands beside the work: what counts is
    the work that it is about, its parent.
    """
    commits = "".join(f"{commit_id(commit)}\n" for commit in found.values()).encode()
    if not commits:
        return {}
    listed = await cache.local("rev-list", "--parents", "--no-walk=unsorted", "--stdin", stdin=commits)
    parents = {line.split()[0]: tuple(line.split()[1:]) for line in listed.text.splitlines()}
    return {ref: (commit,) if _is_branch(ref) else parents[commit] for ref, commit in found.items()}


async def not_held(cache: RepositoryCache, commits: Iterable[str], tidying: Tidying) -> set[str]:
    """Those of `commits` that neither the base branch nor a merged pull request's head holds."""
    holders = [await cache.branch_commit(tidying.base_branch)]
    for each in tidying.pull_requests:
        if each.state is PullRequestState.MERGED and await cache.within_reach(each.head):
            holders.append(each.head)
    asked = [*commits, *(f"^{holder}" for holder in holders if holder)]
    lines = "".join(f"{each}\n" for each in asked).encode()
    return set((await cache.local("rev-list", "--stdin", stdin=lines)).text.splitlines()) if asked else set()


async def delete(cache: RepositoryCache, refs: Mapping[str, str]) -> None:
    """Each under a lease: whoever has pushed to one meanwhile keeps it. What is refused is seen to be left."""
    leases = [lease(ref, commit) for ref, commit in refs.items()]
    command = ("push", *leases, *await cache.destination(), *(f":{ref}" for ref in refs))
    await cache.remote(*command, timeout=PUSH_TIMEOUT, also=(1,))


def _is_ours(branch: str, prefix: str) -> bool:
    """Whether Makima has named it; a pull request that was opened by hand may come from another one, which stays, also
    where people's branches begin like ours.
    """
    return branch.startswith(PREFIX) or bool(prefix and branch.startswith(prefix) and _NAMED.search(branch))


def _is_branch(ref: str) -> bool:
    return not task_in(ref)


def task_in(ref: str) -> str:
    """The task that an outcome or a checkpoint belongs to; empty for a branch."""
    for place in (*in_all_places("outcomes/"), *in_all_places("checkpoints/")):
        if ref.startswith(place):
            return ref.removeprefix(place).partition("/")[0]
    return ""


def parts(refs: Iterable[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(refs)
    while part := tuple(islice(rest, AT_ONCE)):
        yield part
