"""Joins a base branch to what it holds without its commits, merged by squash or rebase (rule 7.2)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache

_BY = "Makima <makima@localhost>"
JOINS = "Join what was merged before"
"""The message of a bridge."""

logger = logging.getLogger(__name__)


async def bridge(cache: RepositoryCache, base: str, heads: Sequence[str]) -> str:
    """A commit with the tree of `base` that holds `base` and all `heads`; `base` itself where it holds them already.

    What is built on such a head then merges as if the base branch held it: only what came after it counts. The same
    arguments make the same commit on every machine. A head that is lost everywhere is left out: nothing can be built
    on it any more. All else that is named must be in the cache. Raises GitError, GitUnreachable.
    """
    missing = await _missing(cache, base, [head for head in dict.fromkeys(heads) if await _is_here(cache, head)])
    if not missing:
        return base
    asked = await cache.local("show", "--no-patch", "--format=%T %ct", commit_id(base))
    tree, date = asked.text.split()
    parents = [f"parent {each}" for each in (base, *missing)]
    people = [f"{who} {_BY} {date} +0000" for who in ("author", "committer")]
    written = "\n".join([f"tree {tree}", *parents, *people, "", f"{JOINS}\n"]).encode()
    return (await cache.local("hash-object", "-t", "commit", "-w", "--stdin", stdin=written)).text


async def under(cache: RepositoryCache, base: str, heads: Sequence[str], work: Sequence[str]) -> tuple[str, ...]:
    """Those of `heads` that `work` has commits of which `base` lacks: only to them has it to be joined. A bridge to
    another would do nothing but list its commits in the pull request once more.

    `base` and `work` must be in the cache. Raises GitError, GitUnreachable.
    """
    built = await _beyond(cache, base, work)
    here = [head for head in dict.fromkeys(heads) if built and await _is_here(cache, head)]
    return tuple([head for head in here if not built.isdisjoint(await _beyond(cache, base, [head]))])


async def peoples(cache: RepositoryCache, head: str, known: Sequence[str]) -> tuple[str, ...]:
    """The commits of `head` that none of `known` holds and that no task has made, whose commits say so.

    All must be in the cache, or are lost everywhere. Raises GitError.
    """
    here = [each for each in known if await cache.has(each)]
    lines = "".join(f"{commit}\n" for commit in (commit_id(head), *(f"^{commit_id(each)}" for each in here))).encode()
    marked = ("--grep=^Makima-Task: ", f"--grep=^{JOINS}$", "--invert-grep")
    return tuple((await cache.local("rev-list", "--no-merges", *marked, "--stdin", stdin=lines)).text.splitlines())


async def left_behind(cache: RepositoryCache, merged: str, pushed: Sequence[str]) -> tuple[str, ...]:
    """Those of `pushed` that the forge has not merged: they were built on the head that it has `merged`, which it took
    for the newest. What people have made another head of was merged as they left it. Raises GitError, GitUnreachable.
    """
    if not merged or not pushed or merged == pushed[-1]:
        return ()
    return tuple([each for each in pushed if each != merged and await _is_left_behind(cache, merged, each)])


async def _is_left_behind(cache: RepositoryCache, merged: str, pushed: str) -> bool:
    if not await cache.within_reach(pushed):
        return True  # to ship it once more costs less than to lose it
    return await cache.within_reach(merged) and await cache.holds(pushed, merged)


async def _beyond(cache: RepositoryCache, base: str, heads: Sequence[str]) -> set[str]:
    """What `heads` hold and `base` doesn't."""
    lines = "".join(f"{commit}\n" for commit in (*map(commit_id, heads), f"^{commit_id(base)}")).encode()
    return set((await cache.local("rev-list", "--stdin", stdin=lines)).text.splitlines())


async def _missing(cache: RepositoryCache, base: str, heads: Sequence[str]) -> list[str]:
    """Those of `heads` that neither `base` nor another of them holds, in their order."""
    independent = await cache.independent([base, *heads]) if heads else frozenset()
    return [head for head in heads if head in independent and head != base]


async def _is_here(cache: RepositoryCache, head: str) -> bool:
    is_here = await cache.within_reach(head)
    if not is_here:
        logger.warning("a merged pull request is not joined to the base branch: %s has no %s", cache.url.display, head)
    return is_here
