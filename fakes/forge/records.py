"""What the forge keeps of one repository beside its git data: frozen values, written to one JSON file."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from pydantic import Field

from fakes.forge.check_records import CheckRun, CommitStatus
from fakes.forge.issue_records import Issue
from fakes.forge.merge_records import AutoMerge, MergeTurn, QueueEntry, QueueTurn
from fakes.forge.push_rules import PushRule
from fakes.forge.stored import Name, Owner, Stored


def now() -> datetime:
    return datetime.now(UTC)


class PullState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Pull(Stored):
    number: int
    id: int
    title: str
    body: str = ""
    author: str
    draft: bool = False
    draft_mark: str = ""
    """What stood before the title to make it a draft, at a forge where nothing else does."""
    state: PullState = PullState.OPEN
    head: str
    """The branch, without refs/heads/."""
    head_repository: str = ""
    """`owner/name` of the fork that it comes from; empty: this repository."""
    base: str
    head_sha: str
    """Follows the branch while the pull request is open, and stays where it was afterwards."""
    base_sha: str
    """Where its branch is."""
    base_seen: str = ""
    """Where that was when the head was last pushed, which is what GitHub tells (from memory)."""
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    merged_at: datetime | None = None
    merged_by: str | None = None
    merge_commit_sha: str | None = None
    merged_as: str = ""
    """The method, as `fakes.forge.merges.Method` has it; empty: nobody has merged it through the forge."""
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    """Who is asked for a review."""
    team_reviewers: tuple[str, ...] = ()
    milestone: str = ""
    auto_merge: AutoMerge | None = None
    turns: tuple[MergeTurn, ...] = ()
    """The times that this was turned on or off, oldest first."""
    queue_turns: tuple[QueueTurn, ...] = ()
    """The times that it went into the merge queue, and left it."""

    @property
    def is_open(self) -> bool:
        return self.state is PullState.OPEN

    def label(self, owner: str) -> str:
        """`owner:branch` of its head, in a repository of `owner`."""
        return f"{self.head_repository.partition('/')[0] or owner}:{self.head}"


class Role(StrEnum):
    """Of a collaborator."""

    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"

    @property
    def permission(self) -> str:
        """The base role that GitHub names beside it."""
        return {"triage": "read", "maintain": "write"}.get(self.value, self.value)


class ReviewState(StrEnum):
    APPROVED = "APPROVED"
    CHANGES_REQUESTED = "CHANGES_REQUESTED"
    COMMENTED = "COMMENTED"
    DISMISSED = "DISMISSED"


class Review(Stored):
    id: int
    pull: int
    """The number of its pull request."""
    user: str
    """A login; empty: the account was deleted."""
    state: ReviewState
    body: str
    commit_id: str
    submitted_at: datetime


class ReviewComment(Stored):
    """A comment on a line of the diff, or an answer to one."""

    id: int
    pull: int
    review: int | None
    user: str
    path: str
    line: int | None
    start_line: int | None = None
    original_line: int | None = None
    original_start_line: int | None = None
    side: str = "RIGHT"
    diff_hunk: str = ""
    body: str
    commit_id: str
    in_reply_to: int | None = None
    resolved_by: str = ""
    """Who has resolved the conversation that begins with it; empty: nobody has."""
    created_at: datetime
    updated_at: datetime | None = None


class Comment(Stored):
    """A comment on a pull request as a whole, or on an issue (GitHub: issue comment)."""

    id: int
    pull: int
    """The number of either."""
    user: str
    body: str
    in_reply_to: int | None = None
    """The one that it answers, at a forge that keeps that."""
    is_thread: bool = False
    """It begins what somebody can resolve, at a forge that has such talk."""
    resolved_by: str = ""
    created_at: datetime
    updated_at: datetime | None = None


class RepositoryRecord(Stored):
    """Everything about a repository that is not in its git data."""

    id: int
    owner: Owner
    name: Name
    former: tuple[str, ...] = ()
    """What it was called before, `owner/name`: a forge sends on who asks for that."""
    description: str = ""
    private: bool = False
    default_branch: str = "main"
    slow_mergeability: int = 0
    """So many looks at a new head or base answer `mergeable: null`, as GitHub does while it computes."""
    merge_method: str = "merge"
    """Of a forge where the repository has one: `merge` or `rebase`."""
    approvals_required: int = 0
    """Before anything is approved, or merged, by the rules of the base branch."""
    required_checks: tuple[str, ...] = ()
    """Names of checks and statuses that have to pass before anything is merged."""
    up_to_date: bool = False
    """Nothing is merged that lacks commits of its base branch."""
    only_green: bool = False
    """Nothing is merged while checks run or have failed, at a forge that says so."""
    queue_of: tuple[str, ...] = ()
    """The base branches that take nothing but what their merge queue has merged."""
    queue_method: str = "merge"
    """How those are merged, as `fakes.forge.merges.Method` has it."""
    queue: tuple[QueueEntry, ...] = ()
    """Of all base branches, the first to be merged first."""
    push_rules: tuple[PushRule, ...] = ()
    auto_merge_allowed: bool = True
    """At a forge where the repository says so."""
    detailed_merge_status: str = ""
    """What such a forge says in any case; empty: what is so."""
    locked: bool = False
    """Open pull requests are being merged at this moment, as far as a forge tells."""
    created_at: datetime
    collaborators: dict[str, Role] = Field(default_factory=dict)
    """By login in lower case."""
    teams: tuple[str, ...] = ()
    """Of its owner, with access to it."""
    labels: tuple[str, ...] = ()
    milestones: tuple[str, ...] = ()
    """Open ones; each has its place as its number."""
    last_id: int = 0
    pulls: tuple[Pull, ...] = ()
    """In order of their numbers."""
    issues: tuple[Issue, ...] = ()
    """They share the pull requests' numbers, at GitLab's address, too."""
    reviews: tuple[Review, ...] = ()
    review_comments: tuple[ReviewComment, ...] = ()
    comments: tuple[Comment, ...] = ()
    checks: tuple[CheckRun, ...] = ()
    statuses: tuple[CommitStatus, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def is_protected(self) -> bool:
        """Whether the base branches have any rules."""
        return bool(self.approvals_required or self.required_checks or self.up_to_date)

    def role(self, login: str) -> Role | None:
        """What somebody may do; None: as much as everybody."""
        if login.lower() == self.owner.lower():
            return Role.ADMIN
        return self.collaborators.get(login.lower())

    def association(self, login: str) -> str:
        """What GitHub calls the relation of a comment's author; no permission can be told from it."""
        if login.lower() == self.owner.lower():
            return "OWNER"
        return "COLLABORATOR" if login.lower() in self.collaborators else "NONE"

    @property
    def next_id(self) -> int:
        """An id that nothing else on this forge has; whoever uses it raises `last_id`."""
        return self.id * 1_000_000 + self.last_id + 1

    def pull(self, number: int) -> Pull | None:
        return next((each for each in self.pulls if each.number == number), None)

    @property
    def next_number(self) -> int:
        """Of a pull request or an issue."""
        numbers = [*(each.number for each in self.pulls), *(each.number for each in self.issues)]
        return max(numbers, default=0) + 1

    def issue(self, number: int) -> Issue | None:
        return next((each for each in self.issues if each.number == number), None)

    def with_issue(self, issue: Issue) -> RepositoryRecord:
        """The same with a new issue, or with a changed one in its old place."""
        others = tuple(each for each in self.issues if each.number != issue.number)
        return self.with_changes(issues=tuple(sorted((*others, issue), key=lambda each: each.number)))

    def with_pull(self, pull: Pull) -> RepositoryRecord:
        """The same with a new pull request, or with a changed one in its old place."""
        others = tuple(each for each in self.pulls if each.number != pull.number)
        return self.with_changes(pulls=tuple(sorted((*others, pull), key=lambda each: each.number)))

    def with_changes(self, **fields: object) -> RepositoryRecord:
        return self.model_copy(update=fields)

    def checks_of(self, sha: str) -> tuple[CheckRun, ...]:
        """The latest check run of each name, for each app and for each repository that ran it."""
        latest = {(each.name, each.app, each.head_repository): each for each in self.checks if each.head_sha == sha}
        return tuple(latest.values())

    def statuses_of(self, sha: str) -> tuple[CommitStatus, ...]:
        """The latest status of each context."""
        return tuple({each.context: each for each in self.statuses if each.sha == sha}.values())


class Permission(StrEnum):
    """What an app may do with one kind of thing; who may write may read."""

    READ = "read"
    WRITE = "write"


class Account(Stored):
    """Who a token speaks for, and what it may do."""

    token: str
    login: str
    scopes: tuple[str, ...] = ("repo",)
    """As `X-OAuth-Scopes` names them."""
    write: bool = True
    """May push and change; without it the token reads only."""
    permissions: dict[str, Permission] | None = None
    """Of an app's installation, as GitHub names them; None: the token is a person's."""

    @property
    def pushes(self) -> bool:
        """Whether git takes what it sends."""
        return self.write and (self.permissions is None or self.permissions.get("contents") is Permission.WRITE)


class ForgeRecord(Stored):
    """What is not of one repository."""

    accounts: tuple[Account, ...] = ()
    last_repository: int = 0
