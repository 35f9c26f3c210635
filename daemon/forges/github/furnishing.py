"""Labels, reviewers, assignees and milestone of a pull request that was just opened (rule 7.4)."""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.github.graph import GitHubApi
from daemon.forges.github.payloads import (
    Assigned,
    AssigneesWanted,
    LabelsWanted,
    Milestone,
    MilestoneWanted,
    Named,
    ReviewersWanted,
)
from daemon.forges.refusals import Declined
from domain.opening_policy import OpeningPolicy
from domain.tolerant import Tolerant

Answered = TypeVar("Answered")

LABELS = TypeAdapter(tuple[Named, ...])
ASSIGNED = TypeAdapter(Assigned)
ANYTHING = TypeAdapter(Tolerant)
MILESTONES = TypeAdapter(tuple[Milestone, ...])
MOST_PAGES = 10
"""Of milestones, with 100 on each."""


class Furnishing:
    """Gives one pull request what it is to begin with; what the forge doesn't know or take is told, and no trouble."""

    def __init__(self, api: GitHubApi, path: str, number: int) -> None:
        """`path`: the repository's own."""
        self._api = api
        self._path = path
        self._number = number
        self._notes: list[str] = []

    async def give(self, policy: OpeningPolicy) -> tuple[str, ...]:
        """What could not be given, and why."""
        await self._label(policy.labels)
        for reviewer in policy.reviewers:
            await self._ask_for_review(reviewer)
        if policy.assignees:
            await self._tried("its assignees", self._assign(policy.assignees))
        if policy.milestone:
            await self._tried(f"milestone {policy.milestone!r}", self._set_milestone(policy.milestone))
        return tuple(self._notes)

    async def _label(self, labels: tuple[str, ...]) -> None:
        """GitHub makes a label that it doesn't know of whatever it is given: a misspelled one would be one more."""
        known = [each for each in labels if await self._tried(f"label {each!r}", self._read_label(each))]
        if known:
            wanted = LabelsWanted(labels=tuple(known))
            await self._tried("its labels", self._api.post(self._issue("/labels"), wanted, LABELS))

    async def _read_label(self, label: str) -> Named:
        return await self._api.read(f"{self._path}/labels/{quote(label, safe='')}", Named)

    async def _ask_for_review(self, reviewer: str) -> None:
        """One after the other: GitHub takes none of those that stand beside one it doesn't take."""
        login, _, team = reviewer.partition("/")
        wanted = ReviewersWanted(team_reviewers=(team,)) if team else ReviewersWanted(reviewers=(login,))
        path = f"{self._path}/pulls/{self._number}/requested_reviewers"
        await self._tried(f"reviewer {reviewer!r}", self._api.post(path, wanted, ANYTHING))

    async def _assign(self, logins: tuple[str, ...]) -> None:
        """GitHub leaves out whom it doesn't assign, without a word."""
        answer = await self._api.post(self._issue("/assignees"), AssigneesWanted(assignees=logins), ASSIGNED)
        assigned = {each.login.lower() for each in answer.assignees}
        for login in logins:
            if login.lower() not in assigned:
                self._note(f"assignee {login!r}", "the forge doesn't assign to them")

    async def _set_milestone(self, title: str) -> None:
        path = f"{self._path}/milestones?state=open&per_page=100"
        for _ in range(MOST_PAGES):
            page = await self._api.get(path)
            assert page is not None  # no etag was sent
            for milestone in self._api.parsed(MILESTONES, page.content):
                if milestone.title == title:
                    await self._api.patch(self._issue(""), MilestoneWanted(milestone=milestone.number), Tolerant)
                    return
            if not page.following:
                break
            path = page.following
        self._note(f"milestone {title!r}", "no open one has that title")

    def _issue(self, rest: str) -> str:
        return f"{self._path}/issues/{self._number}{rest}"

    async def _tried(self, what: str, call: Awaitable[Answered]) -> bool:
        """Whether it was taken. The pull request is open, whatever the forge says of it."""
        try:
            await call
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            self._note(what, declined.complaint)
            return False
        return True

    def _note(self, what: str, why: str) -> None:
        self._notes.append(f"the pull request was opened without {what}: {why}")
