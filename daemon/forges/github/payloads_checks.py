"""What we read of GitHub's answers about checks: runs of apps, statuses of the older kind, jobs and runs of Actions."""

from __future__ import annotations

from daemon.forges.pulls import Repository
from domain.tolerant import Tolerant


class CheckOutput(Tolerant):
    title: str | None = None
    summary: str | None = None
    text: str | None = None


class App(Tolerant):
    slug: str | None = None


class CheckSuite(Tolerant):
    """All runs of one app at a commit; where they could not begin, nothing but the suite says so."""

    id: int
    conclusion: str | None = None
    app: App | None = None


class CheckSuites(Tolerant):
    check_suites: tuple[CheckSuite, ...]


class Annotation(Tolerant):
    path: str = ""
    start_line: int | None = None
    annotation_level: str | None = None
    title: str | None = None
    message: str | None = None


class CheckRun(Tolerant):
    id: int
    name: str
    status: str
    conclusion: str | None = None
    completed_at: str | None = None
    html_url: str | None = None
    details_url: str | None = None
    output: CheckOutput = CheckOutput()
    app: App | None = None
    check_suite: CheckSuite | None = None


class CheckRuns(Tolerant):
    check_runs: tuple[CheckRun, ...]


class Status(Tolerant):
    id: int
    context: str
    state: str
    description: str | None = None
    target_url: str | None = None


class CombinedStatus(Tolerant):
    statuses: tuple[Status, ...]


class JobStep(Tolerant):
    name: str
    conclusion: str | None = None


class Job(Tolerant):
    """A job of Actions."""

    steps: tuple[JobStep, ...] = ()


class Jobs(Tolerant):
    """Those of one workflow run; a job's id is that of its check run, too."""

    jobs: tuple[CheckRun, ...]


class WorkflowRun(Tolerant):
    id: int
    name: str | None = None
    path: str = ""
    html_url: str | None = None
    status: str | None = None
    conclusion: str | None = None
    check_suite_id: int | None = None
    run_attempt: int | None = None
    """How often it was begun."""
    head_branch: str | None = None
    head_sha: str = ""
    head_repository: Repository | None = None
    """Whose branch it ran for; None: that repository was deleted."""

    def is_for(self, repository: str) -> bool:
        """Whether it ran for a branch of this repository. One that doesn't say is of an older Enterprise."""
        if "head_repository" not in self.model_fields_set:
            return True
        return self.head_repository is not None and self.head_repository.full_name.lower() == repository.lower()


class WorkflowRuns(Tolerant):
    workflow_runs: tuple[WorkflowRun, ...]
