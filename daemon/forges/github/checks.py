"""What the checks of a commit say at GitHub (rule 7.5): what has failed, what waits for a person, what is a fork's."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import TypeAdapter

from daemon.forges.api import Api
from daemon.forges.findings import LOG_WINDOW, log_text, unheard_check
from daemon.forges.github import check_findings as findings
from daemon.forges.github.payloads_checks import (
    Annotation,
    App,
    CheckRun,
    CheckRuns,
    CheckSuites,
    CombinedStatus,
    Job,
    Jobs,
    WorkflowRun,
    WorkflowRuns,
)
from daemon.forges.refusals import NOT_SHOWN, Declined, LogUnreachable
from daemon.forges.remembered import Remembered
from domain.pull_request import Finding, FindingSource, Unheard

CHECK_RUNS = TypeAdapter(CheckRuns)
SUITES = TypeAdapter(CheckSuites)
ANNOTATIONS = TypeAdapter(tuple[Annotation, ...])
JOBS = TypeAdapter(Jobs)
WORKFLOW_RUNS = TypeAdapter(WorkflowRuns)
STATUSES = TypeAdapter(CombinedStatus)


class Checks:
    """Those of one repository's commits, in one look."""

    def __init__(self, api: Api, repository: str, remembered: Remembered, marks: dict[str, str]) -> None:
        """`repository`: `owner/name`; `marks`: what each check was last explained with."""
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository}"
        self._remembered = remembered
        self._marks = marks
        self._logs_are_away = False

    async def failures(self, sha: str) -> tuple[list[Finding], list[Unheard]]:
        """What of a commit's checks asks for work, or for a person; those that ran for a fork are its owner's business,
        and not told.
        """
        runs = await self._runs(sha)
        telling = [run for run in [await self._judged(each) for each in runs] if findings.is_told(run)]
        jobs = [run for run in telling if findings.is_job(run) and run.check_suite is not None]
        unstarted = await self._unstarted_suites(sha)
        workflows = await self._workflows(sha) if jobs or unstarted else []
        suites = {
            run.check_suite_id: run.is_for(self._repository) for run in workflows if run.check_suite_id is not None
        }
        unheard = {run.id: reason for run in jobs if (reason := findings.why_unheard(run, suites))}
        statuses = await self._remembered.pages(f"{self._path}/commits/{sha}/status", STATUSES)
        found = [await self._check(run) for run in telling if run.id not in unheard]
        found += self._unstarted(unstarted, workflows)
        found += findings.status_findings(status for page in statuses for status in page.statuses)
        return found, [unheard_check(run, reason) for run, reason in unheard.items()]

    async def _judged(self, run: CheckRun) -> CheckRun:
        """A job that took too long is called cancelled: what it was ended for stands beside it."""
        if not (findings.is_job(run) and run.status == "completed" and run.conclusion == findings.CANCELLED):
            return run
        try:
            pages = await self._remembered.pages(f"{self._path}/check-runs/{run.id}/annotations", ANNOTATIONS)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return run
        return findings.with_time_out(run, (each for page in pages for each in page))

    async def _unstarted_suites(self, sha: str) -> set[int]:
        """The suites that could not begin: no run of theirs says so."""
        try:
            pages = await self._remembered.pages(f"{self._path}/commits/{sha}/check-suites", SUITES)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return {run.check_suite_id or run.id for run in await self._workflows(sha) if findings.is_unstarted(run)}
        return {each.id for page in pages for each in page.check_suites if findings.is_unstarted(each)}

    def _unstarted(self, suites: set[int], workflows: Iterable[WorkflowRun]) -> list[Finding]:
        """Of our own workflows alone: whose file a fork has broken is the fork's business."""
        ours = [run for run in workflows if run.is_for(self._repository)]
        return [findings.unstarted_finding(run) for run in ours if (run.check_suite_id or run.id) in suites]

    async def _workflows(self, sha: str) -> list[WorkflowRun]:
        """The runs of Actions at a commit, which say for whose branch they ran; none where the token may not see them.
        Anybody can open a pull request from a commit of ours: its checks stand at that commit, too.
        """
        try:
            pages = await self._remembered.pages(f"{self._path}/actions/runs?head_sha={sha}", WORKFLOW_RUNS)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return []
        return [run for page in pages for run in page.workflow_runs]

    async def _runs(self, sha: str) -> list[CheckRun]:
        """All check runs; those of Actions alone for a fine-grained token, which can't be given the right to others."""
        try:
            pages = await self._remembered.pages(f"{self._path}/commits/{sha}/check-runs", CHECK_RUNS)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return await self._failed_jobs(sha)
        return [run for page in pages for run in page.check_runs]

    async def _failed_jobs(self, sha: str) -> list[CheckRun]:
        actions = f"{self._path}/actions/runs"
        runs = await self._remembered.pages(f"{actions}?head_sha={sha}", WORKFLOW_RUNS)
        all_runs = (run for page in runs for run in page.workflow_runs)
        failed = [run.id for run in all_runs if findings.may_have_failed(run) and run.is_for(self._repository)]
        pages = [page for run in failed for page in await self._remembered.pages(f"{actions}/{run}/jobs", JOBS)]
        of_actions = {"app": App(slug=findings.ACTIONS)}
        return [job.model_copy(update=of_actions) for page in pages for job in page.jobs]

    async def _check(self, run: CheckRun) -> Finding:
        """A log is long, and doesn't change any more, unless its app runs the same check again."""
        key, end = FindingSource.CHECK.id_of(run.id), f"{run.conclusion} {run.completed_at}\n"
        if not self._marks.get(key, "").startswith(end):
            try:
                self._marks[key] = end + (await self._explained(run)).model_dump_json()
            except LogUnreachable as away:  # looked for again the next time
                self._logs_are_away = True
                return findings.check_finding(run, "", findings.output_text(run) or findings.without_log(str(away)))
        return Finding.model_validate_json(self._marks[key].removeprefix(end))

    async def _explained(self, run: CheckRun) -> Finding:
        text = findings.output_text(run)
        if findings.waits(run):
            return findings.check_finding(run, "", text)
        annotations = await self._annotations(run)
        if not findings.is_job(run):
            return findings.check_finding(run, "", findings.with_annotations(text, annotations))
        if self._logs_are_away:  # each would be waited for
            raise LogUnreachable("does not answer")
        step, log = "", b""
        try:
            step = findings.failed_step(await self._api.read(f"{self._path}/actions/jobs/{run.id}", Job))
            log = await self._api.tail(f"{self._path}/actions/jobs/{run.id}/logs", LOG_WINDOW)
        except Declined as declined:
            # Logs are thrown away after a time, and a token may be without the right to read them.
            if declined.status not in NOT_SHOWN:
                raise
        return findings.check_finding(run, step, findings.with_annotations(log_text(log) or text, annotations))

    async def _annotations(self, run: CheckRun) -> list[Annotation]:
        """The first hundred; nothing where the token may not see them."""
        path = f"{self._path}/check-runs/{run.id}/annotations?per_page=100"
        try:
            page = await self._api.get(path)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return []
        assert page is not None  # no etag was sent
        found = self._api.parsed(ANNOTATIONS, page.content)
        return list(found)
