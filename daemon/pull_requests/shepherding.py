"""What a daemon does about a pull request between completions (rule 7.5): looks at it, and tidies up after it."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict

from daemon.forges.port import Forge, ForgesByUrl
from daemon.git.bridges import left_behind
from daemon.git.repositories import Repositories
from daemon.logs.masking import Masker, masked_sighting
from daemon.pull_requests.finishing import Finishing
from daemon.pull_requests.tidying import tidy
from daemon.workspace.project import read_project
from domain.errors import ForgeRefused, NotReachable, Refused, RepositoryError
from domain.opening_policy import OpeningPolicy
from domain.pull_request import (
    Finding,
    FindingKind,
    FindingSource,
    PullRequestState,
    Sighting,
    Watch,
    is_failed,
    news_of,
)
from domain.repository_url import parse_repository_url
from domain.tidied import Tidied, Tidying

logger = logging.getLogger(__name__)
KEPT_MARKS = 100
"""Pull requests whose answers stay in memory."""


class PullRequestShepherd:
    """The daemon behind the port `activities.ports.Shepherd`."""

    def __init__(
        self, owner: str, repositories: Repositories, forges: ForgesByUrl, masker: Masker | None = None
    ) -> None:
        self._owner = owner
        self._repositories = repositories
        self._forges = forges
        self._masker = masker or Masker()
        self._marks: OrderedDict[tuple[str, int], dict[str, str]] = OrderedDict()

    async def look(self, watch: Watch) -> Sighting | None:
        """What is new of a pull request; see the port."""
        self._refuse_foreign(watch.owner)
        try:
            forge = await self._forges.at(parse_repository_url(watch.repository, allow_local=True))
            known = watch.pull_request
            if watch.retarget and known.base != watch.retarget:
                known = await forge.retarget(known, watch.retarget)
            marks = self._marks_of(watch)
            sighting = without_others_heads(watch, await forge.look(known, marks))
            sighting = await self._without_flaky(forge, watch, sighting)
            sighting = await Finishing(forge, self._repositories, marks).of(watch, sighting)
        except ForgeRefused as refusal:
            sighting = Sighting(pull_request=watch.pull_request, findings=(_trouble(str(refusal)),))
        news = news_of(watch, sighting)
        return masked_sighting(await self._compared(watch, news), self._masker) if news else None

    async def _without_flaky(self, forge: Forge, watch: Watch, sighting: Sighting) -> Sighting:
        """Without the failed checks that are run once more before work is made of them."""
        failed = {each.id for each in sighting.findings if is_failed(each) and each.id not in watch.seen}
        if not failed:
            return sighting
        policy = await self._policy(watch.repository, sighting.pull_request.base)
        if not policy.rerun:
            return sighting
        again = await forge.run_again(sighting.pull_request, failed, policy.flaky)
        left = tuple(each for each in sighting.findings if each.id not in again)
        for each in sighting.findings:
            if each.id in again:
                logger.info("%s looks flaky, and is run once more: %s", each.title, each.url)
        return sighting.model_copy(update={"findings": left})

    async def _policy(self, repository: str, base: str) -> OpeningPolicy:
        """As the base branch has it: never as an agent's does. One that can't be read is told where work is shipped."""
        try:
            cache = await self._repositories.at(repository)
            return (await read_project(cache, await cache.base(base))).pull_request
        except (RepositoryError, NotReachable) as error:
            logger.warning("what %s wants of pull requests is not known: %s", repository, error)
            return OpeningPolicy()

    async def _compared(self, watch: Watch, news: Sighting) -> Sighting:
        """`news`, with what the forge has merged without."""
        seen = news.pull_request
        if seen.state is not PullRequestState.MERGED or not watch.pushed or seen.head == watch.pushed[-1]:
            return news
        cache = await self._repositories.at(watch.repository)
        return news.model_copy(update={"unmerged": await left_behind(cache, seen.head, watch.pushed)})

    async def tidy(self, tidying: Tidying) -> Tidied:
        """Delete what is merged; see the port."""
        self._refuse_foreign(tidying.owner)
        return await tidy(await self._repositories.at(tidying.repository), tidying)

    def _marks_of(self, watch: Watch) -> dict[str, str]:
        """What makes asking again cheap. Whole answers are among it, so it can't travel with the attempts; another
        daemon, or this one after a restart, reads everything once.
        """
        key = (watch.repository, watch.pull_request.number)
        marks = self._marks.setdefault(key, {})
        self._marks.move_to_end(key)
        while len(self._marks) > KEPT_MARKS:
            self._marks.popitem(last=False)
        return marks

    def _refuse_foreign(self, owner: str) -> None:
        if owner != self._owner:
            raise Refused(f"this daemon serves owner {self._owner!r}, not {owner!r}")


def without_others_heads(watch: Watch, sighting: Sighting) -> Sighting:
    """Without what a merge queue has put an earlier head out for: no forge tells which head that was, but the directive
    was told before. A new one is a new try.
    """
    told = [each.rpartition(":") for each in watch.seen if FindingSource.QUEUE.began(each)]
    known = {event: head for event, _, head in told}
    left = tuple(each for each in sighting.findings if not _is_of_another(each.id, known))
    return sighting.model_copy(update={"findings": left})


def _is_of_another(finding: str, known: dict[str, str]) -> bool:
    event, _, head = finding.rpartition(":")
    return FindingSource.QUEUE.began(finding) and known.get(event, head) != head


def _trouble(text: str) -> Finding:
    """The same words are the same trouble."""
    identity = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Finding(
        id=FindingSource.TROUBLE.id_of(identity),
        kind=FindingKind.TROUBLE,
        title="The forge refuses us",
        text=text[:4000],
    )
