"""What one look asks of GitHub (rule 7.5)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.blocks import KnownBlocks
from daemon.forges.findings import conflict_finding
from daemon.forges.github.blocking import PullTold, told_of
from daemon.forges.github.checks import Checks
from daemon.forges.github.graph import GitHubApi
from daemon.forges.github.merge_queue import MergeQueue, block_of
from daemon.forges.github.payloads import GitHubPull, Ref
from daemon.forges.github.threads import resolved_threads
from daemon.forges.look import Said
from daemon.forges.pulls import Pull
from daemon.forges.refusals import Declined
from daemon.forges.remembered import Remembered
from daemon.forges.said import Comment, Review
from domain.pull_request import Finding, Unheard

Entry = TypeVar("Entry", Review, Comment)

PULL = TypeAdapter(GitHubPull)
REF = TypeAdapter(Ref)
REVIEWS = TypeAdapter(tuple[Review, ...])
COMMENTS = TypeAdapter(tuple[Comment, ...])

ASK_MERGEABLE = 5
"""Times; GitHub begins to work it out when it is first asked."""
_MERGEABLE = "mergeable"
"""The mark that holds head and base of the newest answer, and whether it was yes."""


class GitHubLook:
    """All that there is to see, at the price of what has changed since the last look with the same `marks`."""

    def __init__(self, api: GitHubApi, repository: str, remembered: Remembered, marks: dict[str, str]) -> None:
        """`repository`: `owner/name`, as it is called now."""
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository}"
        self._remembered = remembered
        self._marks = marks
        self._queue = MergeQueue(repository, remembered, marks)
        self._told: list[PullTold | None] = []
        """What GraphQL has told in this look; it is asked once."""

    async def pull(self, number: int) -> GitHubPull:
        """The pull request; whether it can be merged may be of an earlier base (`conflict`)."""
        return await self._remembered.read(f"{self._path}/pulls/{number}", PULL)

    async def conflict(self, pull: Pull, base_head: str) -> list[Finding]:
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
            return [] if mergeable else [conflict_finding(pull, base_head)]
        head, _, base = known_ends.partition(" ")
        return [conflict_finding(pull, base)] if head == pull.head.sha and word == "False" else []

    async def base_head(self, pull: Pull) -> str:
        """The newest commit of the base branch; a pull request itself names an older one. Empty: it is gone."""
        try:
            ref = await self._remembered.read(f"{self._path}/git/ref/heads/{quote(pull.base.ref)}", REF)
        except Declined as declined:
            if declined.status != HTTPStatus.NOT_FOUND:
                raise
            return ""
        return ref.object.sha

    async def said(self, pull: Pull) -> Said:
        return Said(
            reviews=await self._all(f"/pulls/{pull.number}/reviews", REVIEWS),
            remarks=await self._all(f"/pulls/{pull.number}/comments", COMMENTS),
            talk=await self._all(f"/issues/{pull.number}/comments", COMMENTS),
        )

    async def failures(self, pull: Pull) -> tuple[list[Finding], list[Unheard]]:
        """Those of the head, and what the merge queue has put it out for."""
        checks = Checks(self._api, self._repository, self._remembered, self._marks)
        found, unheard = await checks.failures(pull.head.sha)
        told = await self._asked(pull) if self._queue.is_asked_about else None
        if told and (event := self._queue.put_out(pull, told.queue)):
            found += await self._queue.finding(pull, event, checks)
        return found, unheard

    async def blocked(self, pull: Pull, facts: str) -> tuple[str, ...]:
        known = KnownBlocks(self._marks, facts)
        if known.nothing_has_changed and not self._told:
            return ()
        told = await self._asked(pull)
        event = self._queue.put_out(pull, told.queue) if told else None
        return (*([block_of(event)] if event else []), *known.now(told.blocks if told else None))

    async def _asked(self, pull: Pull) -> PullTold | None:
        if not self._told:
            self._told.append(await told_of(self._api, self._repository, pull.number))
            if told := self._told[0]:
                self._queue.note(pull, told.queue)
        return self._told[0]

    async def resolved(self, pull: Pull, remarks: list[Comment]) -> dict[str, str]:
        return await resolved_threads(self._api, self._repository, pull.number)

    async def _all(self, path: str, adapter: TypeAdapter[tuple[Entry, ...]]) -> list[Entry]:
        pages = await self._remembered.pages(f"{self._path}{path}", adapter)
        return [entry for page in pages for entry in page]
