"""Pushing one ref, and what the remote's answer to it means (docs/decisions/0002, 0004)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from uuid import uuid4

from daemon.git.git import commit_id
from daemon.git.repository_cache import ANOTHER_PREFIX, PUSH_TIMEOUT, RepositoryCache
from daemon.process.run import Finished
from domain.errors import GitError, GitUnreachable, MakimaError, RefRefused, RemoteBroken, RepositoryError
from domain.repository_url import masked

ANYWHERE = "--force"
"""In place of a lease, for a ref that nobody but its one writer ever moves."""

_REJECTION = re.compile(r"^!\t[^\t]*\t(?P<summary>.*)$", re.MULTILINE)
_SAID = re.compile(r"^remote:[ \t]*(?:error:[ \t]*)?(.*)$", re.MULTILINE)
WORDS_SHOWN = 600
_LEASE_LOST = "stale info"
_MAY_PASS = re.compile(r"failed to update ref|cannot lock ref|unpacker error|missing necessary objects")
"""What is said of a change that the remote takes in principle, but that could not be made just now."""


def lease(ref: str, expected: str | None) -> str:
    """`ref` must be at `expected`, or not exist. A bare lease would trust whatever was fetched last."""
    return f"--force-with-lease={ref}:{expected or ''}"


async def push(cache: RepositoryCache, commit: str, ref: str, condition: str) -> MakimaError | None:
    """Put `ref` at `commit` (empty: delete it) under a `lease`, or ANYWHERE. None: it is there; else the error to
    raise, should the remote show no better reason: a lost race looks like a failed write, and a broken line tells
    nothing of what arrived before it broke.
    """
    try:
        command = ("push", condition, *await cache.destination(), f"{commit}:{ref}")
        pushed = await cache.remote(*command, timeout=PUSH_TIMEOUT, also=(1,))
    except (GitError, RepositoryError) as error:
        return error
    return None if pushed.exit_code == 0 else _rejection(cache, ref, pushed)


async def push_together(cache: RepositoryCache, wanted: Mapping[str, tuple[str, str | None]]) -> bool:
    """Put each ref at the first commit, where it is at the second one, by one talk with the remote: all of them, or
    none. False: none of them, as far as is known; not every remote can do that, and why it didn't is found out ref by
    ref.
    """
    leases = [lease(ref, expected) for ref, (_, expected) in wanted.items()]
    refs = [f"{commit_id(commit)}:{ref}" for ref, (commit, _) in wanted.items()]
    try:
        command = ("push", "--atomic", *leases, *await cache.destination(), *refs)
        return (await cache.remote(*command, timeout=PUSH_TIMEOUT, also=(1,))).exit_code == 0
    except (GitError, RepositoryError):
        return False


async def try_branch(cache: RepositoryCache, commit: str, prefix: str) -> None:
    """Raise RepositoryError where the remote's rules refuse a branch that begins with `prefix`: a branch is made and
    deleted again, once for a cache. Before an agent's work, which nobody would get otherwise.
    """
    taken = cache.folder / f"takes-{hashlib.sha256(prefix.encode()).hexdigest()[:12]}"
    if taken.exists():
        return
    ref = f"refs/heads/{prefix}push-check-{uuid4().hex[:8]}"
    refusal = await push(cache, commit, ref, lease(ref, None))
    if isinstance(refusal, RefRefused):
        raise RepositoryError(f"{refusal}; {ANOTHER_PREFIX}")
    if refusal:
        raise refusal
    await push(cache, "", ref, lease(ref, commit))
    taken.touch()


def _rejection(cache: RepositoryCache, ref: str, pushed: Finished) -> MakimaError:
    status = _REJECTION.search(pushed.text)
    if status is None:
        return GitUnreachable(str(pushed))
    if _LEASE_LOST in status["summary"]:
        return GitError(str(pushed))
    said = f"{status['summary']} {' '.join(pushed.stderr.split())}"
    if _MAY_PASS.search(said):
        return RemoteBroken(f"{cache.url.display} can't take {ref}: {_why(status['summary'], pushed)}")
    return RefRefused(f"{cache.url.display} refuses {ref}: {_why(status['summary'], pushed)}")


def _why(summary: str, pushed: Finished) -> str:
    """The remote's own words, where it has some: a forge names the rule that a push has broken."""
    said = " ".join(" ".join(_SAID.findall(masked(pushed.stderr))).split())
    return f"{summary}: {said[:WORDS_SHOWN]}" if said else summary
