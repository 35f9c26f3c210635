"""Issues at Gitea and Forgejo; see daemon.forges.issue_talk.AskingIssues."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from daemon.forges.api import Api
from daemon.forges.audience import Author
from daemon.forges.gitea.payloads import GiteaUser
from daemon.forges.gitea.talk import Talk
from daemon.forges.issue_talk import Told, standing_of
from daemon.forges.pulls import Repository
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
    pull_request: dict[str, Any] | None = None
    """Of a pull request."""

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
            labels=tuple(each.name for each in self.labels or ()),
        )


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
        below = await Talk(self._api, self._path).below(number)
        return replace(told, said=tuple(each.told for each in below))
