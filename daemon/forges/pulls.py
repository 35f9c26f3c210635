"""A pull request as every forge's adapter tells it: GitHub's words, which the others' are turned into (rule 7.3)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from daemon.forges.said import User
from domain.pull_request import PullRequest, PullRequestState
from domain.tolerant import Tolerant


class Repository(Tolerant):
    full_name: str

    @property
    def owner(self) -> str:
        return self.full_name.partition("/")[0]


class Side(Tolerant):
    """The head or the base of a pull request."""

    ref: str
    sha: str
    repo: Repository | None = None
    """None: it was deleted."""


class Pull(Tolerant):
    number: Annotated[int, Field(ge=1)]
    html_url: str
    state: Literal["open", "closed"]
    draft: bool = False
    merged_at: datetime | None = None
    title: str
    body: str | None = None
    user: User | None = None
    """Who has opened it."""
    head: Side
    base: Side
    mergeable: bool | None = None
    """None: the forge doesn't know yet. Not in lists."""

    def is_from(self, repository: Repository, branch: str) -> bool:
        """Whether it asks for `branch` of `repository` itself, and not of a fork."""
        at = self.head.repo.full_name.lower() if self.head.repo else ""
        return self.head.ref == branch and at == repository.full_name.lower()

    @property
    def standing(self) -> PullRequestState:
        if self.merged_at:
            return PullRequestState.MERGED
        if self.state == "closed":
            return PullRequestState.CLOSED
        return PullRequestState.DRAFT if self.draft else PullRequestState.OPEN


def first_open(pulls: Iterable[Pull]) -> Pull | None:
    return next((pull for pull in pulls if pull.state == "open"), None)


def as_pull_request(pull: Pull, version: int = 1) -> PullRequest:
    return PullRequest(
        branch=pull.head.ref,
        head=pull.head.sha,
        base=pull.base.ref,
        url=pull.html_url,
        state=pull.standing,
        number=pull.number,
        version=version,
    )
