"""What whoever starts a directive wants of its pull requests, and the words for it (rule 7.4)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.tolerant import Tolerant

Name = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$", max_length=100)]
"""One line without blanks around it."""
Login = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
Reviewer = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})?$")]
"""A login, or a team as `organization/team`."""
Labels = Annotated[tuple[Name, ...], Field(max_length=50)]
Reviewers = Annotated[tuple[Reviewer, ...], Field(max_length=15)]
Assignees = Annotated[tuple[Login, ...], Field(max_length=10)]


class DraftPolicy(StrEnum):
    UNFINISHED = "unfinished"
    """While steps are missing."""
    ALWAYS = "always"
    """Until a person makes it ready."""
    NEVER = "never"


class MergeMethod(StrEnum):
    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


class OpeningChoice(Tolerant):
    """In place of what the repository says; what is empty, or None, is left to that."""

    labels: Labels = ()
    reviewers: Reviewers = ()
    assignees: Assignees = ()
    milestone: Name | None = None
    draft: DraftPolicy | None = None
    auto_merge: MergeMethod | None = None
