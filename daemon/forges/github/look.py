"""One look at a pull request of GitHub's: what is wrong with it, and what people say (rule 7.5)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from itertools import chain
from typing import TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.github import findings
from daemon.forges.github.api import Api
from daemon.forges.github.audience import Audience, Author
from daemon.forges.github.checks import Checks
from daemon.forges.github.payloads import Comment, Pull, Ref, Review, User
from daemon.forges.github.refusals import Declined
from daemon.forges.github.remarks import (
    admitted_findings,
    authors_of,
    is_approved,
    is_by,
    newest,
    remarks_at_lines,
    remarks_below,
    remarks_in_reviews,
    reviews_over,
    unheard_of,
    without_settled,
)
from daemon.forges.github.remembered import Remembered
from daemon.forges.github.threads import resolved_threads, settled_remarks
from domain.pull_request import Finding, FindingSource, PullRequest, Sighting

Entry = TypeVar("Entry", Review, Comment)

PULL = TypeAdapter(Pull)
REF = TypeAdapter(Ref)
REVIEWS = TypeAdapter(tuple[Review, ...])
COMMENTS = TypeAdapter(tuple[Comment, ...])

ASK_MERGEABLE = 5
"""Times; GitHub begins to work it out when it is first asked."""
_MERGEABLE = "mergeable"
"""The mark that holds head and base of the newest answer, and whether it was yes."""
MOST_REMARKS = 300
"""Of reviews, of comments at a line and of those below, that are told: the newest of those who are heard, and as many
of the others. A directive remembers 1,000 findings, and would work again on what it has forgotten.
"""


class PullRequestLook:
    """All that there is to see, at the price of what has changed since the last look with the same `marks`."""

    def __init__(
        self, api: Api, repository: str, remembered: Remembered, marks: dict[str, str], audience: Audience
    ) -> None:
        """`repository`: `owner/name`, as it is called now."""
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository}"
        self._audience = audience
        self._remembered = remembered
        self._marks = marks

    async def pull(self, number: int) -> Pull:
        """The pull request; whether it can be merged may be of an earlier base (`conflict`)."""
        return await self._remembered.read(f"{self._path}/pulls/{number}", PULL)

    async def _conflict(self, pull: Pull, base_head: str) -> list[Finding]:
        """Whether it can be merged now. GitHub works that out when it is asked, and its ETag doesn't move with it: once
        the base has moved, or where it was not known, an answer of before says nothing. While GitHub doesn't know, what
        it has said last of this head holds.
        """
        ends = f"{pull.head.sha} {base_head}"
        known_ends, _, word = self._marks.get(_MERGEABLE, "").rpartition(" ")
        mergeable = (word == "True") if known_ends == ends else None
        for again in range(ASK_MERGEABLE):
            if mergeable is not None:
                break
            if again:
                await asyncio.sleep(self._api.timings.mergeable)
            mergeable = (await self._remembered.read(f"{self._path}/pulls/{pull.number}", PULL, anew=True)).mergeable
        if mergeable is not None:
            self._marks[_MERGEABLE] = f"{ends} {mergeable}"
            return [] if mergeable else [findings.conflict_finding(pull, base_head)]
        head, _, base = known_ends.partition(" ")
        return [findings.conflict_finding(pull, base)] if head == pull.head.sha and word == "False" else []

    async def base_head(self, pull: Pull) -> str:
        """The newest commit of the base branch; a pull request itself names an older one. Empty: it is gone."""
        try:
            ref = await self._remembered.read(f"{self._path}/git/ref/heads/{quote(pull.base.ref)}", REF)
        except Declined as declined:
            if declined.status != HTTPStatus.NOT_FOUND:
                raise
            return ""
        return ref.object.sha

    async def sighting(self, seen: PullRequest, pull: Pull, me: str) -> Sighting:
        """All of it; `me`: the login whose own words are not for us, empty where it can't be known."""
        base_head = await self.base_head(pull)
        conflict = await self._conflict(pull, base_head)
        reviews = await self._all(f"/pulls/{pull.number}/reviews", REVIEWS)
        remarks = await self._all(f"/pulls/{pull.number}/comments", COMMENTS)
        talk = await self._all(f"/issues/{pull.number}/comments", COMMENTS)
        kinds = (remarks_in_reviews(reviews, me), remarks_at_lines(remarks, me), remarks_below(talk, me))
        heard = await self._audience.of(self._path, authors_of(chain(*kinds)))
        everything = [each for kind in kinds for each in newest(kind, heard, MOST_REMARKS)]
        checks = Checks(self._api, self._repository, self._remembered, self._marks)
        failures, forks = await checks.failures(pull.head.sha)
        asked = admitted_findings(everything, heard, reviews_over(reviews))
        return Sighting(
            pull_request=seen,
            findings=(*conflict, *failures, *await self._without_resolved(pull.number, asked, remarks, me)),
            base_head=base_head,
            approved=is_approved(reviews, heard, me),
            unheard=(*forks, *unheard_of(everything, heard)),
        )

    async def _without_resolved(
        self, number: int, asked: list[Finding], remarks: list[Comment], me: str
    ) -> tuple[Finding, ...]:
        """What is asked for, without what was said in conversations that somebody has resolved since who is heard: the
        author of a pull request may as well, who can be a stranger.
        """
        if not any(FindingSource.COMMENT.began(each.id) for each in asked):
            return tuple(asked)
        resolved = await resolved_threads(self._api, self._repository, number)
        people = {login: Author(User(login=login)) for login in resolved.values() if login}
        heard = await self._audience.of(self._path, people.values())
        counts = {login for login, author in people.items() if is_by(author.user, me) or heard.admits(author)} | {""}
        return without_settled(asked, settled_remarks(remarks, [at for at, by in resolved.items() if by in counts]))

    async def _all(self, path: str, adapter: TypeAdapter[tuple[Entry, ...]]) -> list[Entry]:
        pages = await self._remembered.pages(f"{self._path}{path}", adapter)
        return [entry for page in pages for entry in page]
