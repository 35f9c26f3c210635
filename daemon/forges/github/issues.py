"""Issues at GitHub; see daemon.forges.issue_talk.AskingIssues."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from daemon.forges.api import Api
from daemon.forges.audience import Author
from daemon.forges.github.replies import COMMENTS
from daemon.forges.issue_talk import Told, standing_of
from daemon.forges.pulls import Repository
from daemon.forges.remembered import Remembered
from daemon.forges.said import Comment, User
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
    pull_request: dict[str, Any] | None = None
    """Of a pull request."""

    def told(self, asked: int, repository: Repository) -> Told:
        names = tuple(each if isinstance(each, str) else each.name for each in self.labels)
        is_pull = self.pull_request is not None
        return Told(
            number=self.number,
            standing=standing_of(asked, self.html_url, repository, self.state, is_pull=is_pull),
            title=self.title,
            text=self.body or "",
            url=self.html_url,
            author=Author(self.user, self.author_association),
            is_locked=self.locked,
            labels=names,
        )


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

    async def _said(self, number: int) -> tuple[Comment, ...]:
        pages = await Remembered(self._api, {}).pages(f"{self._path}/{number}/comments", COMMENTS)
        return tuple(comment for page in pages for comment in page)
