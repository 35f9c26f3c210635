"""What we read of GitLab's answers about pipelines, their jobs and bridges, and statuses that others have set."""

from __future__ import annotations

from typing import Annotated

from daemon.forges.gitlab.payloads import PipelineSummary
from domain.tolerant import OR_NONE, Tolerant


class Pipeline(PipelineSummary):
    """As it is answered alone."""

    yaml_errors: str | None = None


class Job(Tolerant):
    id: int
    name: str
    status: str
    stage: str | None = None
    allow_failure: bool = False
    failure_reason: str | None = None
    web_url: str | None = None

    @property
    def is_failed(self) -> bool:
        return self.status == "failed" and not self.allow_failure

    @property
    def waits(self) -> bool:
        """Whether the pipeline goes on only once a person has started it; what may be left out waits for nobody."""
        return self.status == "manual" and not self.allow_failure


class Bridge(Job):
    """A job that starts another pipeline: a child in the same project, or one of another project."""

    downstream_pipeline: Annotated[PipelineSummary | None, OR_NONE] = None


class CommitStatus(Tolerant):
    """Of a job, or of what stands outside of GitLab's own CI."""

    id: int
    name: str
    status: str
    description: str | None = None
    target_url: str | None = None
    allow_failure: bool = False
    pipeline_id: int | None = None

    @property
    def is_failed(self) -> bool:
        return self.status == "failed" and not self.allow_failure
