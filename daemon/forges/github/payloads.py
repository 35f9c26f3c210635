"""What we read of GitHub's answers, whatever else they hold being ignored, and what we send to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field

from domain.pull_request import PullRequestState
from domain.tolerant import Tolerant
from domain.value import Value

READY = "markPullRequestReadyForReview"
DRAFT = "convertPullRequestToDraft"

_WRITES = frozenset({"write", "maintain", "admin"})
_READS = frozenset({"none", "read", "triage"})


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


class CollaboratorPermission(Tolerant):
    """What a login may do in a repository."""

    permission: str = ""
    """`admin`, `write`, `read` or `none`: the base role, also of `maintain`, `triage` and roles of an organization's
    own."""
    user: User | None = None

    @property
    def writes(self) -> bool | None:
        """None: the forge says something that we don't know."""
        return True if self.permission in _WRITES else False if self.permission in _READS else None


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
    node_id: str
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
    """None: GitHub hasn't worked it out yet. Not in lists."""

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


class RefObject(Tolerant):
    sha: str


class Ref(Tolerant):
    object: RefObject


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

    @property
    def said_at(self) -> datetime | None:
        return self.created_at

    @property
    def root(self) -> int:
        """The id of the first comment of its thread, which may be gone."""
        return self.in_reply_to_id or self.id


class ComplaintDetail(Tolerant):
    message: str = ""
    field: str = ""
    code: str = ""

    @property
    def text(self) -> str:
        return self.message or " ".join(filter(None, (self.field, self.code)))


class Complaint(Tolerant):
    message: str = ""
    errors: tuple[ComplaintDetail | str, ...] = ()

    @property
    def text(self) -> str:
        details = (error if isinstance(error, str) else error.text for error in self.errors)
        return "; ".join(filter(None, (self.message, *details)))


class GraphError(Tolerant):
    type: str = ""
    message: str = ""


class GraphAnswer(Tolerant):
    errors: tuple[GraphError, ...] = ()


class NewPull(Value):
    title: str
    body: str
    head: str
    base: str
    draft: bool


class PullChange(Value):
    title: str
    body: str


class BaseChange(Value):
    base: str


class NewComment(Value):
    body: str


class Answer(NewComment):
    """Into the thread of a comment at a line; GitHub wants its place, too, and goes by the comment."""

    commit_id: str
    path: str
    in_reply_to: int


class NodeId(Value):
    id: str


class Mutation(Value):
    """A change that only GraphQL can make."""

    query: str
    variables: NodeId

    @classmethod
    def of(cls, name: str, pull: str) -> Self:
        """`name`: DRAFT or READY; `pull`: the pull request's node id."""
        query = f"mutation($id: ID!) {{ {name}(input: {{pullRequestId: $id}}) {{ pullRequest {{ isDraft }} }} }}"
        return cls(query=query, variables=NodeId(id=pull))
