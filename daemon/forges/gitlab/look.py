"""What one look asks of GitLab (rule 7.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.blocks import KnownBlocks
from daemon.forges.findings import conflict_finding
from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.blocking import blocks_of
from daemon.forges.gitlab.checks import Checks
from daemon.forges.gitlab.conversations import Conversations, conversations_of, reviews_of
from daemon.forges.gitlab.payloads import Approvals, Branch, Discussion, GitLabPull, MergeRequest, Project, Reviewer
from daemon.forges.look import Said
from daemon.forges.pulls import Pull
from daemon.forges.refusals import NOT_SHOWN, Declined
from daemon.forges.said import Comment
from domain.pull_request import Finding, Unheard

DISCUSSIONS = TypeAdapter(tuple[Discussion, ...])
REVIEWERS = TypeAdapter(tuple[Reviewer, ...])

ASK_MERGEABLE = 5
"""Times; GitLab begins to work it out when it is asked for the one merge request."""
_MERGEABLE = "mergeable"
"""The mark that holds head and base of the newest answer, and whether it was yes."""


class GitLabLook:
    """All that there is to see of one merge request; see daemon.forges.look.Looking."""

    def __init__(self, api: GitLabApi, project: Project, marks: dict[str, str]) -> None:
        """`marks`: what GitLab has said last of a conflict, and what failed jobs were explained with."""
        self._api = api
        self._project = project
        self._path = f"/projects/{project.id}"
        self._marks = marks
        self._conversations = Conversations()
        self._newest: GitLabPull | None = None

    async def pull(self, number: int) -> GitLabPull:
        request = await self._api.read(f"{self._path}/merge_requests/{number}", MergeRequest)
        self._newest = request.as_pull(self._project)
        return self._newest

    async def base_head(self, pull: Pull) -> str:
        branch = quote(pull.base.ref, safe="")
        try:
            found = await self._api.read(f"{self._path}/repository/branches/{branch}", Branch)
        except Declined as declined:
            if declined.status != HTTPStatus.NOT_FOUND:
                raise
            return ""
        return found.commit.id or ""

    async def conflict(self, pull: Pull, base_head: str) -> list[Finding]:
        """While GitLab works it out, what it has said last of this head holds."""
        mergeable, asked = pull.mergeable, 1
        while mergeable is None and asked < ASK_MERGEABLE:
            await asyncio.sleep(self._api.timings.mergeable)
            mergeable, asked = (await self.pull(pull.number)).mergeable, asked + 1
        if mergeable is not None:
            self._marks[_MERGEABLE] = f"{pull.head.sha} {base_head} {mergeable}"
            return [] if mergeable else [conflict_finding(pull, base_head)]
        head, base, word = (*self._marks.get(_MERGEABLE, "").split(" "), "", "")[:3]
        return [conflict_finding(pull, base)] if head == pull.head.sha and word == "False" else []

    async def said(self, pull: Pull) -> Said:
        assert isinstance(pull, GitLabPull)
        path = f"{self._path}/merge_requests/{pull.number}"
        self._conversations = conversations_of(pull, await self._api.all(f"{path}/discussions", DISCUSSIONS))
        approvals = await self._api.read(f"{path}/approvals", Approvals)
        reviews = reviews_of(approvals, await self._reviewers(path))
        return Said(reviews=reviews, remarks=self._conversations.threads, talk=self._conversations.talk)

    async def failures(self, pull: Pull) -> tuple[list[Finding], list[Unheard]]:
        """What ran for a fork ran in the fork's project, and is not told here."""
        assert isinstance(pull, GitLabPull)
        return await Checks(self._api, self._path, self._project.id, self._marks).failures(pull), []

    async def blocked(self, pull: Pull, facts: str) -> tuple[str, ...]:
        """As it was told with whether there is a conflict."""
        known = KnownBlocks(self._marks, facts)
        return known.now(blocks_of(self._newest.merge_status) if self._newest else None)

    async def resolved(self, pull: Pull, remarks: list[Comment]) -> Mapping[str, str]:
        return self._conversations.resolved

    async def _reviewers(self, path: str) -> list[Reviewer]:
        """None where the server is older than that (from memory)."""
        try:
            return await self._api.all(f"{path}/reviewers", REVIEWERS)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return []
