"""What GitLab shows of checks: pipelines of a commit with their jobs and bridges, and statuses of all kinds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from fakes.forge.check_records import CheckRun, CheckStatus, CommitStatus, Conclusion, StatusState
from fakes.forge.gitlab.shapes import Json, Shapes, moment
from fakes.forge.records import Pull, RepositoryRecord
from fakes.forge.runs import ACTIONS

_STATUS = {
    Conclusion.SUCCESS: "success",
    Conclusion.FAILURE: "failed",
    Conclusion.NEUTRAL: "success",
    Conclusion.CANCELLED: "canceled",
    Conclusion.SKIPPED: "skipped",
    Conclusion.TIMED_OUT: "failed",
    Conclusion.ACTION_REQUIRED: "manual",
    Conclusion.STALE: "skipped",
    Conclusion.STARTUP_FAILURE: "failed",
}
_STATES = {
    StatusState.PENDING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "failed",
}
_RUNNING = {CheckStatus.QUEUED: "pending", CheckStatus.IN_PROGRESS: "running"}
_FIRST = ("running", "pending", "manual", "failed", "canceled", "success", "skipped")
"""Which of its jobs' words is a pipeline's (from memory): it goes on while one of them does."""


@dataclass(frozen=True)
class Pipeline:
    """The jobs of one commit that run together."""

    sha: str
    jobs: tuple[CheckRun, ...]
    """Those of older tries, too."""
    statuses: tuple[CommitStatus, ...] = ()
    external: tuple[CheckRun, ...] = ()
    """What other apps have said."""
    below: str = ""
    """The bridge that has started it."""

    @property
    def id(self) -> int:
        return int(self.sha[:10], 16) + zlib.crc32(self.below.encode())

    @property
    def latest(self) -> tuple[CheckRun, ...]:
        jobs = [each for each in self.jobs if not each.is_suite_alone]
        return tuple({each.name: each for each in jobs}.values())

    @property
    def branch(self) -> str:
        """The one that it ran for; empty: that isn't known."""
        return next((each.branch for each in self.jobs), "")

    @property
    def is_invalid(self) -> bool:
        return any(each.is_suite_alone for each in self.jobs)

    @property
    def status(self) -> str:
        counted = [
            status_of(each) for each in (*self.latest, *self.external) if not (each.allow_failure and each.failed)
        ]
        counted += [_STATES[each.state] for each in self.statuses]
        return "failed" if self.is_invalid else next((each for each in _FIRST if each in counted), "success")


def pipelines_of(record: RepositoryRecord, sha: str) -> tuple[Pipeline, ...]:
    """That of the commit, if anything ran or was said; first, and then those that its bridges have started."""
    ours = [each for each in record.checks if each.head_sha == sha and not each.head_repository]
    own, others = [each for each in ours if each.app == ACTIONS], [each for each in ours if each.app != ACTIONS]
    first = Pipeline(sha, tuple(each for each in own if not each.below), record.statuses_of(sha), tuple(others))
    below = dict.fromkeys(each.below for each in own if each.below)
    started = (Pipeline(sha, tuple(job for job in own if job.below == each), below=each) for each in below)
    return (first, *started) if own or others or first.statuses else ()


def pipeline_at(record: RepositoryRecord, number: int) -> Pipeline | None:
    shas = {each.head_sha for each in record.checks} | {each.sha for each in record.statuses}
    found = (each for sha in shas for each in pipelines_of(record, sha))
    return next((each for each in found if each.id == number), None)


def status_of(check: CheckRun) -> str:
    return _RUNNING.get(check.status) or _STATUS[check.conclusion or Conclusion.SUCCESS]


class CheckShapes(Shapes):
    """Those of one forge."""

    def pipeline(self, record: RepositoryRecord, of: Pipeline) -> Json:
        """As in a list."""
        pull = next((each for each in record.pulls if each.head_sha == of.sha), None)
        at = moment(record.created_at)
        return {
            "id": of.id,
            "iid": of.id % 1000,
            "project_id": record.id,
            "sha": of.sha,
            "ref": of.branch or (pull.head if pull else record.default_branch),
            "status": of.status,
            "source": "parent_pipeline" if of.below else "push" if of.jobs else "external",
            "created_at": at,
            "updated_at": at,
            "web_url": f"{self.page(record)}/-/pipelines/{of.id}",
            "name": None,
        }

    def whole_pipeline(self, record: RepositoryRecord, of: Pipeline) -> Json:
        invalid = "jobs config should contain at least one visible job" if of.is_invalid else None
        times = dict.fromkeys(("started_at", "finished_at", "committed_at", "duration", "queued_duration"))
        told = {"before_sha": "0" * 40, "tag": False, "yaml_errors": invalid, "user": self.user(record.owner)}
        return self.pipeline(record, of) | times | told | {"coverage": None, "detailed_status": None, "archived": False}

    def job(self, record: RepositoryRecord, of: Pipeline, check: CheckRun) -> Json:
        why = "job_execution_timeout" if check.conclusion is Conclusion.TIMED_OUT else "script_failure"
        status = status_of(check)
        return {
            "id": check.id,
            "status": status,
            "stage": "test",
            "name": check.name,
            "ref": self.pipeline(record, of)["ref"],
            "tag": False,
            "coverage": None,
            "allow_failure": check.allow_failure,
            "created_at": moment(check.started_at),
            "started_at": moment(check.started_at),
            "finished_at": moment(check.completed_at),
            "erased_at": None,
            "duration": 1.5 if check.completed_at else None,
            "queued_duration": 0.1,
            "user": self.user(record.owner),
            "commit": None,
            "pipeline": self.pipeline(record, of),
            **({"failure_reason": why} if status == "failed" else {}),
            "web_url": f"{self.page(record)}/-/jobs/{check.id}",
            "project": {"ci_job_token_scope_enabled": False},
            "artifacts": [],
            "runner": None,
            "runner_manager": None,
            "artifacts_expire_at": None,
            "archived": False,
            "tag_list": [],
        }

    def bridge(self, record: RepositoryRecord, of: Pipeline, below: Pipeline) -> Json:
        """The job of `of` that has started the pipeline `below`."""
        kept = ("id", "status", "stage", "name", "ref", "tag", "coverage", "allow_failure", "created_at", "started_at",
                "finished_at", "erased_at", "duration", "queued_duration", "user", "commit", "pipeline", "web_url",
                "project")  # fmt: skip
        job = self.job(record, of, below.jobs[0])
        shown = {name: value for name, value in job.items() if name in kept}
        return shown | {
            "id": below.id,
            "name": below.below,
            "status": below.status,
            "downstream_pipeline": self.pipeline(record, below),
        }

    def statuses(self, record: RepositoryRecord, of: Sequence[Pipeline]) -> list[Json]:
        """Of the jobs, and of what others have said."""
        found = [
            self._of_job(record, pipeline, each) for pipeline in of for each in (*pipeline.latest, *pipeline.external)
        ]
        return found + [self.status(record, pipeline, each) for pipeline in of for each in pipeline.statuses]

    def status(self, record: RepositoryRecord, of: Pipeline, status: CommitStatus) -> Json:
        return self._status(record, of, status.id, _STATES[status.state], status.context) | {
            "target_url": status.target_url or None,
            "description": status.description or None,
        }

    def _of_job(self, record: RepositoryRecord, of: Pipeline, check: CheckRun) -> Json:
        return self._status(record, of, check.id, status_of(check), check.name) | {
            "target_url": check.details_url or f"{self.page(record)}/-/jobs/{check.id}",
            "description": check.summary or check.title or None,
            "allow_failure": check.allow_failure,
        }

    def _status(self, record: RepositoryRecord, of: Pipeline, number: int, status: str, name: str) -> Json:
        return {
            "id": number,
            "sha": of.sha,
            "ref": self.pipeline(record, of)["ref"],
            "status": status,
            "name": name,
            "target_url": None,
            "description": None,
            "created_at": moment(record.created_at),
            "started_at": None,
            "finished_at": None,
            "allow_failure": False,
            "coverage": None,
            "pipeline_id": of.id,
            "author": self.user(record.owner),
        }


def head_pipeline(shapes: CheckShapes, record: RepositoryRecord, pull: Pull) -> Json | None:
    """The one that the merge request's page shows."""
    found = pipelines_of(record, pull.head_sha)
    return shapes.whole_pipeline(record, found[0]) if found else None
