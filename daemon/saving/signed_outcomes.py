"""The work of an outcome, its commits signed where the daemon's settings want that (rule 6.16)."""

from __future__ import annotations

from daemon.git.bridges import JOINS
from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from daemon.git.signed_commits import signed_work
from domain.spawn_task import Outcome, SpawnTask


async def signed_outcome(cache: RepositoryCache, command: SpawnTask, outcome: Outcome) -> Outcome:
    """`outcome`, its work made of signed commits, as far as it was made for this attempt. Work that was merged in, and
    what the remote or a pull request holds, stays as it is: others build on it. Its head must be in the cache.

    Raises GitError, SigningFailed.
    """
    work = outcome.work
    if work is None or cache.git.signer is None:
        return outcome
    merged = (*(one.commit for one in command.merge), *command.bridges)
    known = (command.base_commit, work.replaces, *merged, *await _joined(cache, work.base))
    made = await signed_work(cache, work.head, known)
    ends = {"head": made.get(work.head, work.head), "base": made.get(work.base, work.base)}
    return outcome.model_copy(update={"work": work.model_copy(update=ends)})


async def _joined(cache: RepositoryCache, base: str) -> list[str]:
    """What a bridge joins, which is not this attempt's; nothing of another commit."""
    parents, _, subject = (await cache.local("show", "--no-patch", "--format=%P%n%s", commit_id(base))).text.partition(
        "\n"
    )
    return parents.split() if subject == JOINS else []
