"""What a finished pull request still needs, where the repository's base branch wants it done: it is brought up to date,
and the forge is asked to merge it by itself (rule 7.5).
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime

from daemon.forges.blocks import Block, bounded
from daemon.forges.port import Forge
from daemon.git.pushing import lease, push
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.git.updates import MOST_UPDATES, updated, updates_of
from daemon.workspace.project import read_project
from domain.errors import GitError, NotReachable, RefRefused, RepositoryError, SigningFailed
from domain.opening_policy import OpeningPolicy
from domain.pull_request import MOST_BLOCKS, PullRequest, PullRequestState, Sighting, Watch

logger = logging.getLogger(__name__)
_MARK = "finishing"
"""The mark that holds what was known when this was last done, and a line for each thing that could not be."""


class Finishing:
    """Of one pull request."""

    def __init__(self, forge: Forge, repositories: Repositories, marks: dict[str, str]) -> None:
        """`marks`: as of daemon.forges.port.Forge.look."""
        self._forge = forge
        self._repositories = repositories
        self._marks = marks

    async def of(self, watch: Watch, sighting: Sighting) -> Sighting:
        """`sighting`, with what could not be done. It is tried once for what is known: the head that we have pushed,
        with all that the directive is to do, of which nothing is found that asks for work.
        """
        seen = sighting.pull_request
        if not (watch.complete and watch.pushed and seen.state is PullRequestState.OPEN) or sighting.findings:
            return sighting
        if sighting.queued:  # the forge merges it; where it puts it out again, what is known is no longer what was
            self._marks.pop(_MARK, None)
            return sighting
        facts = "\n".join([seen.head, sighting.base_head, seen.base, *sighting.blocked])
        known = hashlib.sha256(facts.encode()).hexdigest()[:16]
        tried, *lines = self._marks.get(_MARK, "").split("\n")
        if tried != known:
            try:
                lines, is_all = await self._done(watch, sighting)
            except (RepositoryError, GitError, NotReachable) as error:
                logger.warning("%s is not finished: %s", seen.url, error)
                return sighting
            if is_all:
                self._marks[_MARK] = "\n".join([known, *lines])
        return sighting.model_copy(update={"blocked": (*lines, *sighting.blocked)[:MOST_BLOCKS]})

    async def _done(self, watch: Watch, sighting: Sighting) -> tuple[list[str], bool]:
        """A line for each thing that could not be done, and whether nothing is left for the next look."""
        seen = sighting.pull_request
        cache = await self._repositories.at(watch.repository)
        base = await cache.base(seen.base)
        policy = (await read_project(cache, base)).pull_request.with_choice(watch.opening)
        is_behind = policy.update and sighting.blocked == (Block.BEHIND,)
        if not (is_behind or policy.auto_merge):
            return [], True
        updates = await updates_of(cache, seen.head, watch.pushed[-1], base)
        if updates is None:  # people have pushed to it: it is theirs to finish
            return [], True
        is_early = bool(updates) and datetime.now(UTC) - updates[0] < watch.at_most
        if is_behind and not is_early and len(updates) < MOST_UPDATES:
            return await _brought_up_to_date(cache, seen, base), True
        return await self._asked_to_merge(seen, policy), not is_behind

    async def _asked_to_merge(self, seen: PullRequest, policy: OpeningPolicy) -> list[str]:
        if policy.auto_merge is None:
            return []
        why = await self._forge.merge_when_ready(seen, policy.auto_merge)
        return list(bounded([f"auto-merge is not set: {why}"])) if why else []


async def _brought_up_to_date(cache: RepositoryCache, seen: PullRequest, base: str) -> list[str]:
    """By a merge, which all forges take: to rebase would replace commits that steps may build on."""
    await cache.ensure([seen.head])
    try:
        merge = await updated(cache, seen.head, base, seen.base)
    except SigningFailed as failure:  # the next look tries it again
        return list(bounded([f"it is not brought up to date: {failure}"]))
    if not merge:  # the forge will say that it is a conflict, which is work
        return []
    ref = f"refs/heads/{seen.branch}"
    refusal = await push(cache, merge, ref, lease(ref, seen.head))
    if isinstance(refusal, RefRefused):
        return list(bounded([f"it is not brought up to date: {refusal}"]))
    if refusal:
        raise refusal
    logger.info("%s is brought up to date with %s", seen.url, seen.base)
    return []
