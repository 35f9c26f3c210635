"""What has failed for a commit at GitLab (rule 7.5): jobs, pipelines without any, pipelines elsewhere, statuses."""

from __future__ import annotations

from daemon.forges.findings import LOG_WINDOW, status_finding
from daemon.forges.gitlab import check_findings
from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.payloads import GitLabPull, PipelineSummary
from daemon.forges.gitlab.payloads_checks import Bridge, Job, Pipeline
from daemon.forges.gitlab.pipelines import DEEPEST, JOBS, STATUSES, Pipelines
from daemon.forges.refusals import NOT_SHOWN, Declined, LogUnreachable
from domain.pull_request import Finding, FindingSource

MOST_EXPLAINED = 30
"""Failed jobs of one look whose logs are read; one sighting tells no more."""


class Checks:
    """Those of one merge request's head, in one look."""

    def __init__(self, api: GitLabApi, path: str, project: int, marks: dict[str, str]) -> None:
        """`path`: the project's in the API; `marks`: what each failed job was last explained with."""
        self._api = api
        self._path = path
        self._pipelines = Pipelines(api, path, project)
        self._marks = marks
        self._known: set[int] = set()
        """Ids of the jobs and bridges that were looked at: they are statuses of the commit, too."""
        self._explained = 0
        self._logs_are_away = False

    async def failures(self, pull: GitLabPull) -> list[Finding]:
        current = await self._pipelines.current(pull)
        found = [finding for each in current for finding in await self._of_pipeline(each, DEEPEST)]
        return [*found, *await self._statuses(pull, {each.id for each in current})]

    async def _of_pipeline(self, pipeline: PipelineSummary, depth: int) -> list[Finding]:
        path = f"{self._path}/pipelines/{pipeline.id}"
        jobs = await self._pipelines.listed(f"{path}/jobs", JOBS)
        bridges = await self._pipelines.bridges(pipeline)
        self._known |= {each.id for each in (*jobs, *bridges)}
        if not jobs and not bridges and pipeline.status == "failed" and pipeline.source != "external":
            return await self._unstarted(path)
        found = [await self._job(each) for each in jobs if each.is_failed or each.waits]
        for each in bridges:
            found += await self._bridge(each, depth - 1)
        return found

    async def _unstarted(self, path: str) -> list[Finding]:
        pipeline = await self._api.read(path, Pipeline)
        return [check_findings.unstarted(pipeline)] if pipeline.yaml_errors else []

    async def _bridge(self, bridge: Bridge, depth: int) -> list[Finding]:
        """What failed in the pipeline that it has started, or itself where that can't be looked into."""
        below = bridge.downstream_pipeline
        if bridge.allow_failure:
            return []
        if inside := self._pipelines.below(bridge, depth):
            found = await self._of_pipeline(inside, depth)
            if found or not bridge.is_failed or inside.goes_on:
                return found
        failed_below = below is not None and below.status == "failed"
        if not (bridge.is_failed or failed_below or bridge.waits):
            return []
        return [check_findings.waiting(bridge) if bridge.waits else check_findings.bridge(bridge)]

    async def _statuses(self, pull: GitLabPull, current: set[int]) -> list[Finding]:
        """Those that others have set; a job is a status, too."""
        statuses = await self._pipelines.listed(f"{self._path}/repository/commits/{pull.head.sha}/statuses", STATUSES)
        return [
            status_finding(each.id, each.name, each.status, each.description, each.target_url)
            for each in statuses
            if each.is_failed and each.id not in self._known and each.pipeline_id in {None, *current}
        ]

    async def _job(self, job: Job) -> Finding:
        """What a failed job has printed doesn't change any more: one that runs again is another one."""
        if job.waits:
            return check_findings.waiting(job)
        key = FindingSource.CHECK.id_of(job.id)
        if key not in self._marks:
            if self._logs_are_away or self._explained >= MOST_EXPLAINED:
                return check_findings.failed(job, "")
            self._explained += 1
            try:
                self._marks[key] = check_findings.failed(job, await self._log(job)).model_dump_json()
            except LogUnreachable as away:  # looked for again the next time
                self._logs_are_away = True
                return check_findings.failed(job, check_findings.without_log(str(away)))
        return Finding.model_validate_json(self._marks[key])

    async def _log(self, job: Job) -> str:
        try:
            return check_findings.job_text(await self._api.tail(f"{self._path}/jobs/{job.id}/trace", LOG_WINDOW))
        except Declined as declined:
            # Logs are thrown away after a time, and may be for members alone.
            if declined.status not in NOT_SHOWN:
                raise
            return ""
