"""Labels, reviewers, assignees and milestone of a merge request that was just opened (rule 7.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated
from urllib.parse import urlencode

from pydantic import TypeAdapter

from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.payloads import Person
from daemon.forges.left_out import LeftOut
from domain.opening_policy import OpeningPolicy
from domain.tolerant import OR_NONE, Tolerant
from domain.value import Value


class _Label(Tolerant):
    name: str


class _Milestone(Tolerant):
    id: int
    title: str


class _Given(Tolerant):
    """What a merge request has by now."""

    labels: tuple[str, ...] = ()
    assignees: Annotated[tuple[Person, ...] | None, OR_NONE] = None
    reviewers: Annotated[tuple[Person, ...] | None, OR_NONE] = None
    milestone: _Milestone | None = None


class LabelsAdded(Value):
    add_labels: str
    """With commas between them."""


class ReviewersChange(Value):
    reviewer_ids: tuple[int, ...]


class AssigneesChange(Value):
    assignee_ids: tuple[int, ...]


class MilestoneChange(Value):
    milestone_id: int


LABELS = TypeAdapter(tuple[_Label, ...])
MILESTONES = TypeAdapter(tuple[_Milestone, ...])
Change = LabelsAdded | ReviewersChange | AssigneesChange | MilestoneChange


class Furnishing:
    """Gives one merge request what it is to begin with; what GitLab doesn't know or take is told, and no trouble."""

    def __init__(self, api: GitLabApi, path: str, number: int, number_of: Callable[[str], Awaitable[int]]) -> None:
        """`path`: the project's own; `number_of`: the id of the account with a login, else Declined."""
        self._api = api
        self._path = path
        self._number = number
        self._number_of = number_of
        self._left_out = LeftOut()

    async def give(self, policy: OpeningPolicy) -> tuple[str, ...]:
        """What could not be given, and why."""
        if policy.labels:
            await self._label(policy.labels)
        if policy.reviewers:
            await self._ask_for_reviews(policy.reviewers)
        if policy.assignees:
            await self._assign(policy.assignees)
        if policy.milestone:
            await self._set_milestone(policy.milestone)
        return self._left_out.notes

    async def _label(self, labels: tuple[str, ...]) -> None:
        """GitLab makes a label that it doesn't know: a misspelled one would be one more. None holds a comma there."""
        found = await self._left_out.tried("its labels", self._api.all(f"{self._path}/labels", LABELS))
        if found is None:
            return
        known = {each.name for each in found}
        for label in labels:
            if label not in known:
                self._left_out.note(f"label {label!r}", "the project has none of that name")
        if wanted := [each for each in labels if each in known]:
            await self._change("its labels", LabelsAdded(add_labels=",".join(wanted)))

    async def _ask_for_reviews(self, reviewers: tuple[str, ...]) -> None:
        for team in (each for each in reviewers if "/" in each):
            self._left_out.note(f"reviewer {team!r}", "GitLab asks people, not teams, for reviews")
        ids = await self._numbers("reviewer", (each for each in reviewers if "/" not in each))
        if ids:
            given = await self._change("its reviewers", ReviewersChange(reviewer_ids=tuple(ids.values())))
            self._note_left_out("reviewer", ids, given.reviewers if given else None)

    async def _assign(self, logins: tuple[str, ...]) -> None:
        if ids := await self._numbers("assignee", logins):
            given = await self._change("its assignees", AssigneesChange(assignee_ids=tuple(ids.values())))
            self._note_left_out("assignee", ids, given.assignees if given else None)

    async def _set_milestone(self, title: str) -> None:
        asked = urlencode({"title": title, "state": "active", "include_ancestors": "true"})
        what = f"milestone {title!r}"
        found = await self._left_out.tried(what, self._api.all(f"{self._path}/milestones?{asked}", MILESTONES))
        if found is None:
            return
        wanted = next((each.id for each in found if each.title == title), None)
        if wanted is None:
            self._left_out.note(what, "no active one has that title")
        else:
            await self._change(what, MilestoneChange(milestone_id=wanted))

    async def _numbers(self, what: str, logins: Iterable[str]) -> dict[str, int]:
        found = {each: await self._left_out.tried(f"{what} {each!r}", self._number_of(each)) for each in logins}
        return {login: number for login, number in found.items() if number is not None}

    def _note_left_out(self, what: str, ids: dict[str, int], given: tuple[Person, ...] | None) -> None:
        """The free edition takes one person of each kind, without a word of the others (from memory)."""
        for login, number in ids.items():
            if given is not None and number not in {each.id for each in given}:
                self._left_out.note(f"{what} {login!r}", "GitLab doesn't take them")

    async def _change(self, what: str, change: Change) -> _Given | None:
        path = f"{self._path}/merge_requests/{self._number}"
        return await self._left_out.tried(what, self._api.put(path, change, _Given))
