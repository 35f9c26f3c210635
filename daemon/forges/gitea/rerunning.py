"""Runs of Actions at Gitea, as those to run again (rule 7.5); Forgejo and older servers run nothing again."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from daemon.forges.api import Api
from daemon.forges.gitea.checks import ABSENT, JOBS, RUNS
from daemon.forges.gitea.pages import all_of, pages_of
from daemon.forges.gitea.payloads_checks import Job, WorkflowRun
from daemon.forges.pulls import Repository
from daemon.forges.refusals import Declined
from daemon.forges.rerunning import Run
from domain.pull_request import FindingSource, PullRequest

_GOES_ON = frozenset({"queued", "pending", "requested", "in_progress"})
"""One that waits for an approval says `waiting`."""
_MISSING = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
MOST_RUNS = 5
"""Runs that were repeated whose jobs are looked at, of a branch: the newest."""
MOST_ATTEMPTS = 3
"""Of such a run, before its last one."""


class Offer:
    """Whether a server has an address for running again: what hasn't is asked once."""

    def __init__(self) -> None:
        self.is_missing = False


class GiteaRuns:
    """See daemon.forges.rerunning.Runs."""

    def __init__(self, api: Api, repository: Repository, offer: Offer) -> None:
        self._api = api
        self._repository = repository.full_name
        self._path = f"/repos/{repository.full_name}/actions/runs"
        self._offer = offer

    async def begun_once(self, known: PullRequest) -> list[Run]:
        """Not those in which a job was cancelled: the server would run that again, too."""
        found: list[Run] = []
        if self._offer.is_missing:
            return found
        for run in await self._runs(head_sha=known.head):
            if run.run_attempt != 1 or not run.is_for(self._repository, known.number):
                continue
            jobs = await self._jobs(f"{self._path}/{run.id}/jobs")
            if not any(each.conclusion == "cancelled" for each in jobs):
                failed = {FindingSource.CHECK.id_of(each.id): each.name for each in jobs if each.is_failed}
                found.append(Run(run.id, failed, run.status in _GOES_ON))
        return found

    async def recovered(self, known: PullRequest) -> set[str]:
        """Each attempt has its own jobs."""
        names = set[str]()
        for branch in (known.base, known.branch):
            runs = await self._runs(branch=branch, status="success")
            repeated = [each for each in runs if (each.run_attempt or 1) > 1]
            own = [each for each in repeated if each.is_for(self._repository, known.number)]
            for run in own[:MOST_RUNS]:
                last = run.run_attempt or 1
                for attempt in range(max(1, last - MOST_ATTEMPTS), last):
                    jobs = await self._jobs(f"{self._path}/{run.id}/attempts/{attempt}/jobs")
                    names |= {each.name for each in jobs if each.is_failed}
        return names

    async def begin_again(self, run: Run) -> None:
        where = self._api.at(f"{self._path}/{run.id}/rerun-failed-jobs")
        try:
            await self._api.retried(lambda: self._api.send("POST", where))
        except Declined as declined:
            self._offer.is_missing = declined.status in _MISSING
            raise

    async def is_begun_again(self, run: Run) -> bool:
        if self._offer.is_missing:
            return False
        now = await self._api.read(f"{self._path}/{run.id}", WorkflowRun)
        return (now.run_attempt or 1) > 1

    async def _runs(self, **asked: str) -> list[WorkflowRun]:
        """The newest page of them."""
        answer = await all_of(self._api, f"{self._path}?{urlencode({**asked, 'limit': 50})}", RUNS)
        return list(answer.workflow_runs or ())

    async def _jobs(self, path: str) -> list[Job]:
        """None where the server has no such list."""
        try:
            pages = await pages_of(self._api, path, JOBS)
        except Declined as declined:
            if declined.status not in ABSENT:
                raise
            return []
        return [job for page in pages for job in page.jobs or ()]
