"""Why an attempt failed (rule 5.5)."""

from __future__ import annotations

from enum import StrEnum

from domain.tolerant import Tolerant


class FailureCategory(StrEnum):
    """Why an attempt failed, as far as anything follows from it."""

    AGENT = "agent"
    """The agent ended with an error, or said that it gives up."""
    NO_RESULT = "no result"
    """Neither a commit nor a declaration that nothing was needed (rule 6.9)."""
    CONFLICT = "conflict"
    """What had to be merged is not merged, a file is unmerged, or conflict markers are left."""
    UNFINISHED = "unfinished"
    """A rebase, merge, cherry-pick, revert, am or bisect was begun and not ended."""
    HISTORY = "history"
    """A commit that the work began on, or that was merged in, is no longer in its history."""
    LEFT = "commits left"
    """The agent made commits that its work doesn't hold: on another branch, in a stash, or on none."""
    POINTER = "pointer"
    """A submodule's commit that its remote doesn't have, or a file that is to be in Git LFS and isn't."""
    SECRET = "secret"  # noqa: S105 (a word)
    """A commit adds what looks like a secret; nothing of it left the machine."""
    PLAN = "plan"
    """The plan was refused."""
    REPOSITORY = "repository"
    """Unknown repository, missing base branch, no push right (rule 2.3)."""
    TIME_LIMIT = "time limit"
    NO_OUTPUT = "no output"
    MEMORY = "memory"
    """Its processes used more than the daemon allows a task (rule 5.7)."""
    DENIED = "denied"
    """It was refused what it wanted to do, and left nothing."""
    AUTH = "auth"
    """Its login or key was refused."""
    BUDGET = "budget"
    """It had used the turns or the money that a task may cost."""
    CONTEXT = "context too long"
    """What it had to read was too much for its model, also in a new session."""
    CRASHED = "crashed"
    """It ended without saying that it was done, also when it was started again."""
    VERIFY = "verify"
    """The verify commands kept failing (rule 6.5)."""
    OPERATOR = "operator"
    """Failed by hand."""
    LOST = "lost"
    """Its daemon was lost too often (rule 5.4)."""
    INTERNAL = "internal"
    """Ours: an error that no rule foresees; the text says which."""


class RepositoryTrouble(StrEnum):
    """What of a repository is in the way, as far as more follows from it than from FailureCategory.REPOSITORY."""

    BASE_BRANCH = "base branch"
    """It is not there (any more)."""
    UNRELATED = "unrelated"
    """The work has no commit in common with the base branch."""


class Failure(Tolerant):
    category: FailureCategory
    report: str
    """At most 4 KiB (rule 1)."""
