"""Labels, reviewers, assignees and milestone of a pull request that was just opened (rule 7.4)."""

from __future__ import annotations

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
from daemon.forges.left_out import LeftOut
from domain.opening_policy import OpeningPolicy
from domain.tolerant import Tolerant

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
        self._left_out = LeftOut()

    async def give(self, policy: OpeningPolicy) -> tuple[str, ...]:
        """What could not be given, and why."""
        await self._label(policy.labels)
        for reviewer in policy.reviewers:
            await self._ask_for_review(reviewer)
        if policy.assignees:
            await self._left_out.tried("its assignees", self._assign(policy.assignees))
        if policy.milestone:
            await self._left_out.tried(f"milestone {policy.milestone!r}", self._set_milestone(policy.milestone))
        return self._left_out.notes

    async def _label(self, labels: tuple[str, ...]) -> None:
        """GitHub makes a label that it doesn't know of whatever it is given: a misspelled one would be one more."""
        known = [each for each in labels if await self._left_out.tried(f"label {each!r}", self._read_label(each))]
        if known:
            wanted = LabelsWanted(labels=tuple(known))
            await self._left_out.tried("its labels", self._api.post(self._issue("/labels"), wanted, LABELS))

    async def _read_label(self, label: str) -> Named:
        return await self._api.read(f"{self._path}/labels/{quote(label, safe='')}", Named)

    async def _ask_for_review(self, reviewer: str) -> None:
        """One after the other: GitHub takes none of those that stand beside one it doesn't take."""
        login, _, team = reviewer.partition("/")
        wanted = ReviewersWanted(team_reviewers=(team,)) if team else ReviewersWanted(reviewers=(login,))
        path = f"{self._path}/pulls/{self._number}/requested_reviewers"
        await self._left_out.tried(f"reviewer {reviewer!r}", self._api.post(path, wanted, ANYTHING))

    async def _assign(self, logins: tuple[str, ...]) -> None:
        """GitHub leaves out whom it doesn't assign, without a word."""
        answer = await self._api.post(self._issue("/assignees"), AssigneesWanted(assignees=logins), ASSIGNED)
        assigned = {each.login.lower() for each in answer.assignees}
        for login in logins:
            if login.lower() not in assigned:
                self._left_out.note(f"assignee {login!r}", "the forge doesn't assign to them")

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
        self._left_out.note(f"milestone {title!r}", "no open one has that title")

    def _issue(self, rest: str) -> str:
        return f"{self._path}/issues/{self._number}{rest}"
