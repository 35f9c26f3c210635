"""What we read of GitHub's answers, whatever else they hold being ignored, and what we send to it."""

from __future__ import annotations

from typing import Any, Self

from daemon.forges.pulls import Pull
from daemon.forges.said import NewComment, User
from domain.tolerant import Tolerant
from domain.value import Value

READY = "markPullRequestReadyForReview"
DRAFT = "convertPullRequestToDraft"

_WRITES = frozenset({"write", "maintain", "admin"})
_READS = frozenset({"none", "read", "triage"})


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


class GitHubPull(Pull):
    node_id: str
    """What GraphQL calls it."""
    auto_merge: dict[str, Any] | None = None
    """Set where GitHub merges it by itself."""


class RefObject(Tolerant):
    sha: str


class Ref(Tolerant):
    object: RefObject


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


class Named(Tolerant):
    name: str


class Milestone(Tolerant):
    number: int
    title: str


class Assigned(Tolerant):
    assignees: tuple[User, ...] = ()


class LabelsWanted(Value):
    labels: tuple[str, ...]


class AssigneesWanted(Value):
    assignees: tuple[str, ...]


class ReviewersWanted(Value):
    reviewers: tuple[str, ...] = ()
    team_reviewers: tuple[str, ...] = ()


class MilestoneWanted(Value):
    milestone: int


class NewReply(NewComment):
    """Into the thread of a comment at a line; GitHub wants its place, too, and goes by the comment."""

    commit_id: str
    path: str
    in_reply_to: int


class ThreadId(Value):
    thread: str


class Resolution(Value):
    """Of a conversation, which only GraphQL can end."""

    query: str = "mutation($thread: ID!) { resolveReviewThread(input: {threadId: $thread}) { thread { isResolved } } }"
    variables: ThreadId


class WhoAmI(Value):
    """GraphQL tells it of an app's token, too, which REST refuses."""

    query: str = "query { viewer { login } }"


class _Viewer(Tolerant):
    viewer: User


class Myself(Tolerant):
    data: _Viewer


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
