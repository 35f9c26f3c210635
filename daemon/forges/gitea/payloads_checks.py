"""What of Gitea's API tells about checks: statuses of commits, and the runs and jobs of Actions."""

from __future__ import annotations

from daemon.forges.pulls import Repository
from domain.tolerant import Tolerant

FAILED = frozenset({"failure", "error"})
"""Of statuses, jobs and steps."""
_BY_WRITERS = frozenset({"push", "schedule", "workflow_dispatch"})
"""Events that only those begin who can push to the repository itself."""


class CommitStatus(Tolerant):
    id: int
    context: str = ""
    status: str = ""
    description: str = ""
    target_url: str = ""


class CombinedStatus(Tolerant):
    statuses: tuple[CommitStatus, ...] | None = None


class _RunRepository(Tolerant):
    id: int


class _RunSide(Tolerant):
    repo: _RunRepository


class _RunPull(Tolerant):
    number: int
    head: _RunSide
    base: _RunSide

    @property
    def is_of_fork(self) -> bool:
        return self.head.repo.id != self.base.repo.id


class WorkflowRun(Tolerant):
    id: int
    html_url: str = ""
    status: str = ""
    conclusion: str = ""
    event: str = ""
    run_attempt: int | None = None
    """How often it was begun; older servers don't say it."""
    head_repository: Repository | None = None
    """In the schema, and filled by no server whose source was read."""
    pull_requests: tuple[_RunPull, ...] | None = None
    """From 1.27 on: the one that it ran for, and of a push all open ones of its branch."""
    is_fork_pull_request: bool | None = None
    """Forgejo's word (from memory)."""

    def is_for(self, repository: str, number: int) -> bool | None:
        """Whether it ran for a branch of this repository, whose pull request `number` is; None: it isn't said.

        Of a fork that was deleted the server says that it is this repository: only the number tells it from ours.
        """
        if self.is_fork_pull_request is not None:
            return not self.is_fork_pull_request
        if self.head_repository:
            return self.head_repository.full_name.lower() == repository.lower()
        if self.event in _BY_WRITERS:
            return True
        if not self.pull_requests:
            return None
        if any(each.is_of_fork for each in self.pull_requests):
            return False
        return True if [each.number for each in self.pull_requests] == [number] else None


class WorkflowRuns(Tolerant):
    workflow_runs: tuple[WorkflowRun, ...] | None = None


class JobStep(Tolerant):
    name: str = ""
    conclusion: str = ""


class Job(Tolerant):
    id: int
    name: str = ""
    status: str = ""
    conclusion: str = ""
    html_url: str = ""
    steps: tuple[JobStep, ...] | None = None

    @property
    def is_failed(self) -> bool:
        return self.status == "completed" and self.conclusion in FAILED


class Jobs(Tolerant):
    jobs: tuple[Job, ...] | None = None
