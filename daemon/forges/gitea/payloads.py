"""What we read of Gitea's and Forgejo's answers, as the common words have it, and what we send to them (rule 7.3).

What older servers and Forgejo leave out may be left out here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, model_validator

from daemon.forges.gitea.titles import is_marked, plain_title
from daemon.forges.pulls import Pull
from daemon.forges.remarks import APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED
from daemon.forges.said import Comment, Review, User
from domain.tolerant import Tolerant
from domain.value import Value

_WRITES = frozenset({"write", "admin", "owner"})
_READS = frozenset({"none", "read"})
_STATES = {"APPROVED": APPROVED, "REQUEST_CHANGES": CHANGES_REQUESTED, "COMMENT": COMMENTED}
"""What counts; the others are requests for a review, and what was not sent off yet."""
_PULL_REF = "refs/pull/"


class GiteaUser(Tolerant):
    login: str
    id: int | None = None

    def told(self, imported_from: str = "") -> User | None:
        """None: the account was deleted, or is the server's own, which have no number above 0 (from memory).
        `imported_from`: whoever said it at another forge, under whatever account it stands here.
        """
        if imported_from:
            return User(login=imported_from, type="Imported")
        return User(login=self.login, id=self.id) if self.id is None or self.id > 0 else None


class GiteaPermission(Tolerant):
    """What a login may do in a repository."""

    permission: str = ""
    by: GiteaUser | None = Field(None, alias="user")

    @property
    def user(self) -> User | None:
        return self.by.told() if self.by else None

    @property
    def writes(self) -> bool | None:
        """None: the forge says something that we don't know."""
        return True if self.permission in _WRITES else False if self.permission in _READS else None


class GiteaPull(Pull):
    """Without what makes a draft of its title."""

    whole_title: str
    """As the forge has it."""

    @model_validator(mode="before")
    @classmethod
    def _from_gitea(cls, data: Any) -> Any:
        """Whatever is of another kind than expected is left as it is, for the fields to complain of."""
        if not isinstance(data, dict) or not isinstance(data.get("title"), str):
            return data
        title = data["title"]
        return {
            **data,
            "title": plain_title(title),
            "whole_title": title,
            "draft": bool(data.get("draft")) or is_marked(title),
            "merged_at": (data.get("merged_at") or data.get("updated_at")) if data.get("merged") else None,
            # It is no proof of a conflict where it is false: so it is for a draft, and while the forge works it out.
            "mergeable": True if data.get("mergeable") is True else None,
            "user": data.get("user") if _is_account(data.get("user")) else None,
            "head": _branch_named(data.get("head")),
        }


def _is_account(user: Any) -> bool:
    return isinstance(user, dict) and not (isinstance(user.get("id"), int) and user["id"] <= 0)


def _branch_named(side: Any) -> Any:
    """Where the branch is gone, its name is the label's alone (from memory)."""
    if isinstance(side, dict) and str(side.get("ref")).startswith(_PULL_REF):
        return {**side, "ref": side.get("label")}
    return side


class GiteaReview(Tolerant):
    id: int
    by: GiteaUser | None = Field(None, alias="user")
    body: str = ""
    state: str = ""
    dismissed: bool = False
    official: bool = False
    """Of somebody whose approval the base branch's rules count."""
    comments_count: int = 0
    html_url: str = ""
    submitted_at: datetime | None = None

    @property
    def counts(self) -> bool:
        return self.state in _STATES

    @property
    def told(self) -> Review:
        return Review(
            id=self.id,
            user=self.by.told() if self.by else None,
            body=self.body,
            state=DISMISSED if self.dismissed else _STATES[self.state],
            html_url=self.html_url,
            submitted_at=self.submitted_at,
        )


class GiteaRemark(Tolerant):
    """A comment at a line."""

    id: int
    by: GiteaUser | None = Field(None, alias="user")
    body: str = ""
    html_url: str = ""
    path: str = ""
    position: int = 0
    """The line in the file as the pull request has it; 0: it stands at `original_position`."""
    original_position: int = 0
    """The line in the file as it was before."""
    diff_hunk: str = ""
    commit_id: str = ""
    pull_request_review_id: int | None = None
    resolver: GiteaUser | None = None
    created_at: datetime | None = None

    @property
    def place(self) -> tuple[str, int, int]:
        """Where its conversation is: all remarks there are one (from memory)."""
        return self.path, self.position, self.original_position

    def told(self, first: int) -> Comment:
        """`first`: the remark that its conversation began with."""
        return Comment(
            id=self.id,
            user=self.by.told() if self.by else None,
            body=self.body,
            html_url=self.html_url,
            path=self.path,
            line=self.position or self.original_position or None,
            side="RIGHT" if self.position or not self.original_position else "LEFT",
            diff_hunk=self.diff_hunk,
            commit_id=self.commit_id,
            in_reply_to_id=None if first == self.id else first,
            pull_request_review_id=self.pull_request_review_id,
            created_at=self.created_at,
        )


class GiteaTalk(Tolerant):
    """A comment below the pull request."""

    id: int
    by: GiteaUser | None = Field(None, alias="user")
    original_author: str = ""
    body: str = ""
    html_url: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def told(self) -> Comment:
        by = self.by.told(self.original_author) if self.by else None
        return Comment(
            id=self.id,
            user=by,
            body=self.body,
            html_url=self.html_url,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


class BranchCommit(Tolerant):
    id: str = ""


class Branch(Tolerant):
    commit: BranchCommit | None = None
    required_approvals: int = 0
    enable_status_check: bool = False
    status_check_contexts: tuple[str, ...] | None = None
    """Names, or patterns; none: all statuses that there are (from memory)."""


class NewPull(Value):
    title: str
    body: str
    head: str
    base: str


class PullChange(Value):
    title: str
    body: str


class TitleChange(Value):
    title: str


class BaseChange(Value):
    base: str


class NewReviewComment(Value):
    """At a line of the file as it is, or as it was; 0: at the other."""

    path: str
    body: str
    new_position: int = 0
    old_position: int = 0


class NewReview(Value):
    event: Literal["COMMENT"] = "COMMENT"
    body: str = ""
    comments: tuple[NewReviewComment, ...]
