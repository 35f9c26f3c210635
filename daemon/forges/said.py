"""What people say about a pull request, as every forge's adapter tells it (rule 7.5)."""

from __future__ import annotations

from datetime import datetime

from domain.tolerant import Tolerant


class User(Tolerant):
    login: str
    id: int | None = None
    """Of the account, and never given again; a login that was given up may be taken by somebody else."""
    type: str = "User"

    @property
    def is_bot(self) -> bool:
        return self.type == "Bot" or self.login.endswith("[bot]")

    @property
    def is_person(self) -> bool:
        return self.type == "User" and not self.is_bot


class Review(Tolerant):
    id: int
    user: User | None = None
    body: str | None = None
    state: str
    html_url: str = ""
    author_association: str = ""
    submitted_at: datetime | None = None

    @property
    def said_at(self) -> datetime | None:
        return self.submitted_at


class Comment(Tolerant):
    """One of the conversation, or, with a path, one of a review."""

    id: int
    user: User | None = None
    body: str | None = None
    html_url: str = ""
    path: str = ""
    line: int | None = None
    original_line: int | None = None
    start_line: int | None = None
    original_start_line: int | None = None
    side: str | None = None
    start_side: str | None = None
    diff_hunk: str = ""
    commit_id: str = ""
    in_reply_to_id: int | None = None
    pull_request_review_id: int | None = None
    author_association: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def said_at(self) -> datetime | None:
        return self.created_at

    @property
    def root(self) -> int:
        """The id of the first comment of its thread, which may be gone."""
        return self.in_reply_to_id or self.id


class NewComment(Tolerant):
    """One to be posted."""

    body: str
