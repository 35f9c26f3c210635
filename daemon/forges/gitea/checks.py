"""What the checks of a commit say at Gitea (rule 7.5): its statuses, and the jobs of Actions behind some of them.

Actions sets a status for each job. What a job of a fork is called, and prints, is its owner's text, so a job is heard
only where the forge says for whose branch it ran.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from pydantic import TypeAdapter

from daemon.forges.api import Api
from daemon.forges.audience import NotHeard
from daemon.forges.findings import LOG_WINDOW, job_finding, log_text, status_finding, unheard_check
from daemon.forges.gitea.pages import pages_of
from daemon.forges.gitea.payloads_checks import (
    FAILED,
    CombinedStatus,
    CommitStatus,
    Job,
    Jobs,
    JobStep,
    WorkflowRun,
    WorkflowRuns,
)
from daemon.forges.pulls import Pull, Repository
from daemon.forges.refusals import NOT_SHOWN, Declined
from domain.pull_request import Finding, FindingSource, Unheard

STATUSES = TypeAdapter(CombinedStatus)
RUNS = TypeAdapter(WorkflowRuns)
JOBS = TypeAdapter(Jobs)

_OF_ACTIONS = re.compile(r"^(?P<run>.*/actions/runs/\d+)(/jobs/\d+)?/?$")
"""The address that the status of a job names; the same server, whose own name for itself it may be (from memory)."""
ABSENT = frozenset({*NOT_SHOWN, HTTPStatus.METHOD_NOT_ALLOWED})
"""What an older server, or Forgejo, answers where it has no such list."""


class Checks:
    """Those of one repository's commits, in one look."""

    def __init__(self, api: Api, repository: Repository, marks: dict[str, str]) -> None:
        """`marks`: what each job was last explained with."""
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository.full_name}"
        self._marks = marks
        self.statuses: list[CommitStatus] = []
        """All that `failures` has seen."""

    async def failures(self, pull: Pull) -> tuple[list[Finding], list[Unheard]]:
        """What of its head's checks asks for work; those that ran for a fork are its owner's business."""
        sha = pull.head.sha
        pages = await pages_of(self._api, f"{self._path}/commits/{sha}/status", STATUSES)
        self.statuses = [each for page in pages for each in page.statuses or ()]
        failed = [each for each in self.statuses if each.status in FAILED]
        of_actions = {each.id: match["run"] for each in failed if (match := _OF_ACTIONS.match(each.target_url))}
        runs = {_place(run.html_url): run for run in await self._runs(sha)} if of_actions else {}
        found: list[Finding] = []
        unheard: list[Unheard] = []
        explained: set[int] = set()
        for status in failed:
            run = runs.get(_place(of_actions.get(status.id, "")))
            if status.id not in of_actions:
                found.append(_told(status))
            elif run is None or not (is_ours := run.is_for(self._repository.full_name, pull.number)):
                is_unsaid = run is None or is_ours is None
                unheard.append(unheard_check(status.id, NotHeard.UNSAID if is_unsaid else NotHeard.FORK))
            elif run.id not in explained:
                explained.add(run.id)
                same = [each for each in failed if _place(of_actions.get(each.id, "")) == _place(run.html_url)]
                found += await self._jobs(run) or map(_told, same)
        return found, unheard

    async def _runs(self, sha: str) -> list[WorkflowRun]:
        try:
            pages = await pages_of(self._api, f"{self._path}/actions/runs?head_sha={sha}", RUNS)
        except Declined as declined:
            if declined.status not in ABSENT:
                raise
            return []
        return [run for page in pages for run in page.workflow_runs or ()]

    async def _jobs(self, run: WorkflowRun) -> list[Finding]:
        """The failed jobs of a run; none where the forge has no such list, as Forgejo."""
        try:
            pages = await pages_of(self._api, f"{self._path}/actions/runs/{run.id}/jobs", JOBS)
        except Declined as declined:
            if declined.status not in ABSENT:
                raise
            return []
        return [await self._explained(job, run) for page in pages for job in page.jobs or () if job.is_failed]

    async def _explained(self, job: Job, run: WorkflowRun) -> Finding:
        """A log is long, and doesn't change any more; a job that runs again is another one."""
        key = FindingSource.CHECK.id_of(job.id)
        if key not in self._marks:
            log = b""
            try:
                log = await self._api.tail(f"{self._path}/actions/jobs/{job.id}/logs", LOG_WINDOW)
            except Declined as declined:
                if declined.status not in ABSENT:
                    raise
            step = _failed_step(job.steps or ())
            self._marks[key] = job_finding(
                job.id, job.name, step or job.conclusion, log_text(log), job.html_url or run.html_url
            ).model_dump_json()
        return Finding.model_validate_json(self._marks[key])


def _told(status: CommitStatus) -> Finding:
    return status_finding(status.id, status.context, status.status, status.description, status.target_url)


def _failed_step(steps: Iterable[JobStep]) -> str:
    return next((each.name for each in steps if each.conclusion in FAILED), "")


def _place(address: str) -> str:
    """The address of a run without the server's name: it has one for itself, and we may have another."""
    return address.partition("://")[2].partition("/")[2].rstrip("/") if "://" in address else address.strip("/")
