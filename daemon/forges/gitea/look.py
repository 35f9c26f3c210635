"""What one look asks of Gitea (rule 7.5)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import quote

from daemon.forges.api import Api
from daemon.forges.findings import conflict_finding
from daemon.forges.gitea.blocking import blocks_of
from daemon.forges.gitea.checks import Checks
from daemon.forges.gitea.payloads import Branch, GiteaPull, GiteaRemark, GiteaReview
from daemon.forges.gitea.talk import PullTalk, first_ones
from daemon.forges.look import Said
from daemon.forges.pulls import Pull, Repository
from daemon.forges.refusals import Declined
from daemon.forges.said import Comment
from domain.pull_request import Finding, Unheard

ASK_MERGEABLE = 5
"""Times; while Gitea works it out, it says no."""
_MERGEABLE = "mergeable"
"""The mark that holds head and base of the newest answer, if that was a conflict."""


class GiteaLook:
    """All that there is to see; nothing of it is cheaper the second time but a conflict that stays."""

    def __init__(self, api: Api, repository: Repository, marks: dict[str, str]) -> None:
        self._api = api
        self._path = f"/repos/{repository.full_name}"
        self._talk = PullTalk(api, self._path)
        self._marks = marks
        self._remarks: list[GiteaRemark] = []
        self._reviews: list[GiteaReview] = []
        self._base = Branch()
        self._checks = Checks(api, repository, marks)

    async def pull(self, number: int) -> Pull:
        return await self._api.read(f"{self._path}/pulls/{number}", GiteaPull)

    async def base_head(self, pull: Pull) -> str:
        try:
            self._base = await self._api.read(f"{self._path}/branches/{quote(pull.base.ref)}", Branch)
        except Declined as declined:
            if declined.status != HTTPStatus.NOT_FOUND:
                raise
            return ""
        return self._base.commit.id if self._base.commit else ""

    async def conflict(self, pull: Pull, base_head: str) -> list[Finding]:
        """A draft is never called mergeable, so of its conflicts nothing is known. Of another one a no is believed once
        it stays: Gitea says no, too, while it works that out.
        """
        ends = f"{pull.head.sha} {base_head}"
        is_known = self._marks.pop(_MERGEABLE, "") == ends
        for _ in range(1 if is_known else ASK_MERGEABLE):
            if pull.draft or pull.mergeable:
                return []
            if not is_known:
                await asyncio.sleep(self._api.timings.mergeable)
                pull = await self.pull(pull.number)
        if pull.draft or pull.mergeable:
            return []
        self._marks[_MERGEABLE] = ends
        return [conflict_finding(pull, base_head)]

    async def said(self, pull: Pull) -> Said:
        self._reviews = await self._talk.reviews(pull.number)
        self._remarks = await self._talk.remarks(pull.number, self._reviews)
        first = first_ones(self._remarks)
        return Said(
            reviews=[each.told for each in self._reviews],
            remarks=[each.told(first[each.id].id) for each in self._remarks],
            talk=[each.told for each in await self._talk.below(pull.number)],
        )

    async def failures(self, pull: Pull) -> tuple[list[Finding], list[Unheard]]:
        return await self._checks.failures(pull)

    async def blocked(self, pull: Pull, facts: str) -> tuple[str, ...]:
        """By the rules that base and reviews and statuses were told with."""
        return blocks_of(self._base, self._reviews, self._checks.statuses)

    async def resolved(self, pull: Pull, remarks: list[Comment]) -> dict[str, str]:
        """It is the first remark of a conversation that tells of it (from memory)."""
        first = {each.id for each in first_ones(self._remarks).values()}
        return {each.html_url: each.resolver.login for each in self._remarks if each.resolver and each.id in first}
