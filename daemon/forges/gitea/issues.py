"""Issues at Gitea and Forgejo; see daemon.forges.issue_talk.AskingIssues."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from pydantic import Field, TypeAdapter

from daemon.forges.api import Api
from daemon.forges.audience import Author
from daemon.forges.gitea.pages import pages_of
from daemon.forges.gitea.payloads import GiteaUser
from daemon.forges.gitea.talk import PullTalk
from daemon.forges.issue_talk import Listed, Told, has_label, is_label, standing_of
from daemon.forges.pulls import Repository
from daemon.forges.said import Comment, NewComment, User
from domain.tolerant import Tolerant


class Label(Tolerant):
    name: str = ""


class GiteaIssue(Tolerant):
    number: int
    title: str
    body: str = ""
    by: GiteaUser | None = Field(None, alias="user")
    original_author: str = ""
    html_url: str
    state: str
    is_locked: bool = False
    labels: tuple[Label, ...] | None = None
    updated_at: str = ""
    pull_request: dict[str, Any] | None = None
    """Of a pull request."""

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.labels or ())

    def told(self, asked: int, repository: Repository) -> Told:
        is_pull = self.pull_request is not None
        return Told(
            number=self.number,
            standing=standing_of(asked, self.html_url, repository, self.state, is_pull=is_pull),
            title=self.title,
            text=self.body,
            url=self.html_url,
            author=Author(self.by.told(self.original_author) if self.by else None),
            is_locked=self.is_locked,
            labels=self.label_names,
        )


class TimelineEntry(Tolerant):
    """`body` of one about a label: "1" where it was given (from memory)."""

    type: str = ""
    by: GiteaUser | None = Field(None, alias="user")
    body: str = ""
    label: Label | None = None


ISSUES = TypeAdapter(tuple[GiteaIssue, ...])
TIMELINE = TypeAdapter(tuple[TimelineEntry, ...])
_GIVEN = "1"


class GiteaIssues:
    """Of one repository. Only the author and who has write access can change an issue there (from memory)."""

    def __init__(self, api: Api, repository: Repository) -> None:
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository.full_name}"

    async def issue(self, number: int) -> Told:
        found = await self._api.read(f"{self._path}/issues/{number}", GiteaIssue)
        told = found.told(number, self._repository)
        if not told.standing.is_issue:
            return told
        below = await PullTalk(self._api, self._path).below(number)
        return replace(told, said=tuple(each.told for each in below))

    async def labelled(self, label: str) -> list[Listed]:
        """Looked at here, too: a label that the repository doesn't have is no filter there (from memory)."""
        asked = f"{self._path}/issues?state=open&type=issues&labels={quote(label, safe='')}"
        pages = await pages_of(self._api, asked, ISSUES)
        return [
            Listed(each.number, each.updated_at)
            for page in pages
            for each in page
            if each.pull_request is None and has_label(label, each.label_names)
        ]

    async def labeller(self, number: int, label: str) -> User | None:
        pages = await pages_of(self._api, f"{self._path}/issues/{number}/timeline", TIMELINE)
        told = [each for page in pages for each in page if each.type == "label" and each.body == _GIVEN]
        last = next((each for each in reversed(told) if each.label and is_label(label, each.label.name)), None)
        return last.by.told() if last and last.by else None

    async def post(self, number: int, body: str, existing: Callable[[], Awaitable[Comment | None]]) -> Comment:
        return await self._api.post_once(
            f"{self._path}/issues/{number}/comments", NewComment(body=body), Comment, existing
        )

    async def edit(self, number: int, comment: int, body: str) -> Comment:
        return await self._api.patch(f"{self._path}/issues/comments/{comment}", NewComment(body=body), Comment)
