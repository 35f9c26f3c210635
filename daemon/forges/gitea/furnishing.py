"""Labels, reviewers, assignees and milestone of a pull request just opened, at Gitea and Forgejo (rule 7.4)."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.api import Api
from daemon.forges.gitea.pages import pages_of
from daemon.forges.left_out import LeftOut
from daemon.forges.pulls import Pull
from domain.opening_policy import OpeningPolicy
from domain.tolerant import Tolerant
from domain.value import Value


class _Label(Tolerant):
    id: int
    name: str


class _Milestone(Tolerant):
    id: int
    title: str


class _Given(Tolerant):
    """What a pull request has by now."""

    labels: tuple[_Label, ...] | None = None


class LabelsChange(Value):
    labels: tuple[int, ...]
    """All that it has from now on."""


class AssigneesChange(Value):
    assignees: tuple[str, ...]


class MilestoneChange(Value):
    milestone: int


class ReviewersWanted(Value):
    reviewers: tuple[str, ...] = ()
    team_reviewers: tuple[str, ...] = ()


LABELS = TypeAdapter(tuple[_Label, ...])
MILESTONES = TypeAdapter(tuple[_Milestone, ...])
ANYTHING = TypeAdapter(tuple[Tolerant, ...])
Change = LabelsChange | AssigneesChange | MilestoneChange


class Furnishing:
    """Gives one pull request what it is to begin with; what the forge doesn't know or take is told, and no trouble."""

    def __init__(self, api: Api, path: str, pull: Pull) -> None:
        """`path`: the repository's own."""
        self._api = api
        self._path = path
        self._pull = f"{path}/pulls/{pull.number}"
        self._left_out = LeftOut()

    async def give(self, policy: OpeningPolicy) -> tuple[str, ...]:
        """What could not be given, and why."""
        if policy.labels:
            await self._label(policy.labels)
        for reviewer in policy.reviewers:
            await self._ask_for_review(reviewer)
        await self._assign(policy.assignees)
        if policy.milestone:
            await self._set_milestone(policy.milestone)
        return self._left_out.notes

    async def _label(self, labels: tuple[str, ...]) -> None:
        """Those of the repository: an organization's own are at another address, for which not every token is good."""
        found = await self._left_out.tried("its labels", pages_of(self._api, f"{self._path}/labels", LABELS))
        if found is None:
            return
        known = {each.name: each.id for page in found for each in page}
        for label in labels:
            if label not in known:
                self._left_out.note(f"label {label!r}", "the repository has none of that name")
        if wanted := [known[each] for each in labels if each in known]:
            given = await self._left_out.tried("its labels", self._api.read(self._pull, _Given))
            if given is not None:
                ids = dict.fromkeys((*(each.id for each in given.labels or ()), *wanted))
                await self._change("its labels", LabelsChange(labels=tuple(ids)))

    async def _ask_for_review(self, reviewer: str) -> None:
        """One after the other: none of those is taken that stand beside one who is not."""
        login, _, team = reviewer.partition("/")
        wanted = ReviewersWanted(team_reviewers=(team,)) if team else ReviewersWanted(reviewers=(login,))
        asked = self._api.post(f"{self._pull}/requested_reviewers", wanted, ANYTHING)
        await self._left_out.tried(f"reviewer {reviewer!r}", asked)

    async def _assign(self, logins: tuple[str, ...]) -> None:
        """By a change of the pull request, which older servers and Forgejo take, too: it names all of them."""
        taken: tuple[str, ...] = ()
        for login in logins:
            if await self._change(f"assignee {login!r}", AssigneesChange(assignees=(*taken, login))):
                taken = (*taken, login)

    async def _set_milestone(self, title: str) -> None:
        asked, what = f"{self._path}/milestones?state=open&name={quote(title, safe='')}", f"milestone {title!r}"
        found = await self._left_out.tried(what, pages_of(self._api, asked, MILESTONES))
        if found is None:
            return
        wanted = next((each.id for page in found for each in page if each.title == title), None)
        if wanted is None:
            self._left_out.note(what, "no open one has that title")
        else:
            await self._change(what, MilestoneChange(milestone=wanted))

    async def _change(self, what: str, change: Change) -> bool:
        return await self._left_out.tried(what, self._api.patch(self._pull, change, _Given)) is not None
