"""What the forge keeps of checks: runs of apps, and statuses of the older kind."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from fakes.forge.stored import Stored


class CheckStatus(StrEnum):
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class Conclusion(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    TIMED_OUT = "timed_out"
    ACTION_REQUIRED = "action_required"
    STALE = "stale"
    STARTUP_FAILURE = "startup_failure"


FAILING = frozenset(
    {
        Conclusion.FAILURE,
        Conclusion.CANCELLED,
        Conclusion.TIMED_OUT,
        Conclusion.ACTION_REQUIRED,
        Conclusion.STARTUP_FAILURE,
    }
)


_OF_SUITES = frozenset({Conclusion.STALE, Conclusion.STARTUP_FAILURE})


class JobStep(Stored):
    """A step of the job behind a check, as Actions shows it."""

    name: str
    conclusion: Conclusion = Conclusion.SUCCESS


class Annotation(Stored):
    path: str
    start_line: int
    end_line: int
    annotation_level: str = "failure"
    message: str
    title: str = ""


class CheckContent(Stored):
    """What a check run shows."""

    name: str
    title: str = ""
    summary: str = ""
    text: str = ""
    log: str = ""
    steps: tuple[JobStep, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    details_url: str = ""
    """Empty: the page of its job on this forge."""
    head_repository: str = ""
    """`owner/name` of the fork whose pull request it ran for; empty: this repository."""
    of_pull: int = 0
    """The number of the pull request that its run was begun for; 0: a push has begun it."""
    app: str = "github-actions"
    """The slug of the app that has made it."""
    allow_failure: bool = False
    """Nobody minds if it fails, at a forge that has such jobs."""
    run: int = 0
    """The id of the run of Actions that it is a job of, where that isn't its own."""
    below: str = ""
    """The job that has started the pipeline which this one runs in, at a forge that has such; empty: none."""


class CheckRun(CheckContent):
    """A check run; its id is the id of its job too, as with GitHub's Actions."""

    id: int
    head_sha: str
    status: CheckStatus
    conclusion: Conclusion | None
    started_at: datetime
    completed_at: datetime | None
    attempt: int = 1
    """Of its run."""
    branch: str = ""
    """The one that it ran for; empty: it ran for a commit."""

    @property
    def run_id(self) -> int:
        return self.run or self.id

    @property
    def is_suite_alone(self) -> bool:
        """Nothing has run: no check run says so, but its suite does, and the run of its workflow."""
        return self.conclusion in _OF_SUITES

    @property
    def failed(self) -> bool:
        return self.conclusion in FAILING


class StatusState(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class CommitStatus(Stored):
    """A status of the older kind, which many CI systems still set."""

    id: int
    sha: str
    context: str
    state: StatusState
    description: str = ""
    target_url: str = ""
    created_at: datetime
