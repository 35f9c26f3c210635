"""Issues at GitHub; see daemon.forges.issue_talk.AskingIssues."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.api import Api
from daemon.forges.audience import Author
from daemon.forges.github.replies import COMMENTS
from daemon.forges.issue_talk import Listed, Told, has_label, is_label, standing_of
from daemon.forges.pulls import Repository
from daemon.forges.remembered import Remembered
from daemon.forges.said import Comment, NewComment, User
from domain.tolerant import Tolerant


class Label(Tolerant):
    name: str = ""


class GitHubIssue(Tolerant):
    number: int
    title: str
    body: str | None = None
    user: User | None = None
    author_association: str = ""
    html_url: str
    state: str
    locked: bool = False
    labels: tuple[Label | str, ...] = ()
    updated_at: str = ""
    pull_request: dict[str, Any] | None = None
    """Of a pull request."""

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(each if isinstance(each, str) else each.name for each in self.labels)

    def told(self, asked: int, repository: Repository) -> Told:
        is_pull = self.pull_request is not None
        return Told(
            number=self.number,
            standing=standing_of(asked, self.html_url, repository, self.state, is_pull=is_pull),
            title=self.title,
            text=self.body or "",
            url=self.html_url,
            author=Author(self.user, self.author_association),
            is_locked=self.locked,
            labels=self.label_names,
        )


class IssueEvent(Tolerant):
    event: str = ""
    actor: User | None = None
    label: Label | None = None


ISSUES = TypeAdapter(tuple[GitHubIssue, ...])
EVENTS = TypeAdapter(tuple[IssueEvent, ...])


class GitHubIssues:
    """Of one repository. Only the author and who has write access can change an issue's title and text there."""

    def __init__(self, api: Api, repository: Repository) -> None:
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository.full_name}/issues"

    async def issue(self, number: int) -> Told:
        found = await self._api.read(f"{self._path}/{number}", GitHubIssue)
        told = found.told(number, self._repository)
        return replace(told, said=await self._said(number)) if told.standing.is_issue else told

    async def labelled(self, label: str) -> list[Listed]:
        asked = f"{self._path}?state=open&labels={quote(label, safe='')}"
        pages = await Remembered(self._api, {}).pages(asked, ISSUES)
        return [
            Listed(each.number, each.updated_at)
            for page in pages
            for each in page
            if each.pull_request is None and has_label(label, each.label_names)
        ]

    async def labeller(self, number: int, label: str) -> User | None:
        pages = await Remembered(self._api, {}).pages(f"{self._path}/{number}/events", EVENTS)
        given = [each for page in pages for each in page if each.event == "labeled" and each.label]
        return next((each.actor for each in reversed(given) if each.label and is_label(label, each.label.name)), None)

    async def _said(self, number: int) -> tuple[Comment, ...]:
        pages = await Remembered(self._api, {}).pages(f"{self._path}/{number}/comments", COMMENTS)
        return tuple(comment for page in pages for comment in page)

    async def post(self, number: int, body: str, existing: Callable[[], Awaitable[Comment | None]]) -> Comment:
        return await self._api.post_once(f"{self._path}/{number}/comments", NewComment(body=body), Comment, existing)

    async def edit(self, number: int, comment: int, body: str) -> Comment:
        return await self._api.patch(f"{self._path}/comments/{comment}", NewComment(body=body), Comment)
