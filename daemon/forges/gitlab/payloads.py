"""What we read of GitLab's answers, whatever else they hold being ignored, and what we send to it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from daemon.forges.pulls import Pull, Repository, Side
from daemon.forges.said import User
from domain.tolerant import OR_NONE, Tolerant
from domain.value import Value

DEVELOPER = 30
"""The access level from which on somebody may push a branch and merge (from memory)."""
MERGED, OPEN = "merged", frozenset({"opened", "locked"})
"""`locked`: it is being merged at this moment (from memory)."""
_DRAFT = re.compile(r"^(?:\s*(?:\[draft\]|\(draft\)|draft:))+\s*", re.IGNORECASE)
_BOTS = re.compile(r"(?:project|group)_\d+_bot(?:[_\d].*)?|service_account_.*|.*\[bot\]|.*-bot")
"""Logins that GitLab gives to what is no person (from memory): of tokens, of service accounts and its own."""
_GHOST = "ghost"
"""Whom everything is of whose account was deleted (from memory)."""


class Person(Tolerant):
    id: int
    username: Annotated[str, Field(max_length=300)]
    state: str = "active"
    bot: bool | None = None
    """Told of an account that is asked for by itself alone."""

    @property
    def user(self) -> User | None:
        """None: the account was deleted."""
        if self.username == _GHOST:
            return None
        is_bot = bool(self.bot or _BOTS.fullmatch(self.username.lower()))
        return User(login=self.username, id=self.id, type="Bot" if is_bot else "User")


class Member(Person):
    """Somebody who may do something in a project, by it or by a group that it lies in."""

    access_level: int

    @property
    def writes(self) -> bool:
        return self.access_level >= DEVELOPER and self.state == "active"


class Stranger(Value):
    """Somebody who is no member."""

    user: User
    writes: bool = False


class Project(Repository):
    """`full_name` is its path, with all groups."""

    full_name: str = Field(alias="path_with_namespace")
    id: int
    merge_method: str = ""
    """`merge`, `rebase_merge` or `ff` (from memory); only members are told."""


class DiffRefs(Tolerant):
    head_sha: str | None = None


class PipelineSummary(Tolerant):
    id: int
    sha: str = ""
    status: str = ""
    ref: str | None = None
    source: str | None = None
    project_id: int | None = None
    web_url: str | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it ends by itself: one that waits for a person says `manual`, for a time `scheduled`."""
        return self.status in _GOES_ON


class MergeRequest(Tolerant):
    iid: Annotated[int, Field(ge=1)]
    web_url: str
    state: str
    title: str
    description: str | None = None
    draft: bool = False
    author: Person | None = None
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    target_project_id: int | None = None
    sha: str | None = None
    updated_at: datetime
    merged_at: datetime | None = None
    merge_status: str = ""
    detailed_merge_status: str = ""
    has_conflicts: bool = False
    merge_when_pipeline_succeeds: bool = False
    diff_refs: Annotated[DiffRefs | None, OR_NONE] = None
    head_pipeline: Annotated[PipelineSummary | None, OR_NONE] = None

    def as_pull(self, project: Project) -> GitLabPull:
        """In the words that all forges are told in; the title is without the mark of a draft."""
        at = _project_of(self.source_project_id, project)
        merged_at = (self.merged_at or self.updated_at) if self.state == MERGED else None
        refs = self.diff_refs.head_sha if self.diff_refs else None
        return GitLabPull(
            number=self.iid,
            html_url=self.web_url,
            state="open" if self.state in OPEN else "closed",
            draft=self.draft,
            merged_at=merged_at,
            title=without_draft(self.title),
            body=self.description,
            user=self.author.user if self.author else None,
            head=Side(ref=self.source_branch, sha=self.sha or "", repo=at),
            base=Side(ref=self.target_branch, sha="", repo=project),
            mergeable=mergeable_of(self),
            reviewed=refs or self.sha or "",
            pipeline=self.head_pipeline,
            merge_status=self.detailed_merge_status,
            merges_by_itself=self.merge_when_pipeline_succeeds,
        )


class GitLabPull(Pull):
    reviewed: str = ""
    """The commit that remarks stand at whose lines have not changed."""
    pipeline: PipelineSummary | None = None
    """The one that GitLab itself goes by."""
    merge_status: str = ""
    merges_by_itself: bool = False


class Branch(Tolerant):
    class Commit(Tolerant):
        id: str | None = None

    commit: Commit


class Comparison(Tolerant):
    commits: tuple[dict[str, Any], ...]


class LineEnd(Tolerant):
    type: str | None = None
    old_line: int | None = None
    new_line: int | None = None


class LineRange(Tolerant):
    start: LineEnd
    end: LineEnd | None = None


class Position(Tolerant):
    head_sha: str = ""
    old_path: str | None = None
    new_path: str | None = None
    old_line: int | None = None
    new_line: int | None = None
    line_range: Annotated[LineRange | None, OR_NONE] = None


class Note(Tolerant):
    id: int
    body: str = ""
    author: Person | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    system: bool = False
    resolvable: bool = False
    resolved: bool = False
    resolved_by: Person | None = None
    position: Annotated[Position | None, OR_NONE] = None


class Discussion(Tolerant):
    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,100}$")]
    individual_note: bool = False
    notes: tuple[Note, ...] = ()


class Approver(Tolerant):
    user: Person


class Approvals(Tolerant):
    """`approved`: as all rules want it, or with one approval where there are none."""

    approved: bool
    approved_by: tuple[Approver, ...] = ()


class Reviewer(Tolerant):
    user: Person
    state: str = ""


class NewMergeRequest(Value):
    source_branch: str
    target_branch: str
    title: str
    description: str


class TextsChange(Value):
    title: str
    description: str


class TitleChange(Value):
    title: str


class TargetChange(Value):
    target_branch: str


class Resolved(Value):
    resolved: bool = True


class NewNote(Value):
    body: str


def mergeable_of(request: MergeRequest) -> bool | None:
    """Whether there is no conflict with the base; None: GitLab is about to work it out. The first reason that it
    gives is often another one, such as that it is a draft: then the older fields tell it.
    """
    detailed = request.detailed_merge_status
    if detailed in _UNKNOWN or request.merge_status in _UNKNOWN:
        return None
    if detailed in ("conflict", "broken_status"):
        return False
    # `has_conflicts` is said of a branch that is gone, too.
    conflicts = request.has_conflicts and request.merge_status != "can_be_merged"
    return not conflicts or detailed in _NO_COMMITS


_UNKNOWN = frozenset({"unchecked", "checking", "preparing", "cannot_be_merged_recheck", "cannot_be_merged_rechecking"})
"""That it is not worked out yet, in the newer field or the older one (from memory)."""
_GOES_ON = frozenset(
    {"created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "canceling"}
)
_NO_COMMITS = frozenset({"commits_status", "not_open"})


def as_draft(title: str, *, draft: bool) -> str:
    """`title` so that GitLab takes it for a draft, or doesn't: nothing else tells it."""
    return f"Draft: {without_draft(title)}" if draft else without_draft(title)


def without_draft(title: str) -> str:
    """One that is nothing but such a mark stays as it is."""
    return _DRAFT.sub("", title) or title


def _project_of(number: int | None, project: Project) -> Repository | None:
    if number is None:
        return None
    return project if number == project.id else Repository(full_name=f"project {number}")
