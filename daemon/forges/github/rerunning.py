"""Runs of Actions at GitHub, as those to run again (rule 7.5)."""

from __future__ import annotations

from urllib.parse import urlencode

from pydantic import TypeAdapter

from daemon.forges.api import Api
from daemon.forges.github.check_findings import is_failure
from daemon.forges.github.payloads_checks import CheckRun, Jobs, WorkflowRun, WorkflowRuns
from daemon.forges.remembered import Remembered
from daemon.forges.rerunning import Run
from domain.pull_request import FindingSource, PullRequest
from domain.tolerant import Tolerant

_ANYTHING = TypeAdapter(Tolerant)
_JOBS = TypeAdapter(Jobs)
_GOES_ON = frozenset({"queued", "in_progress", "requested"})
MOST_RUNS = 5
"""Runs that were repeated whose jobs are looked at, of a branch: the newest."""


class GitHubRuns:
    """See daemon.forges.rerunning.Runs."""

    def __init__(self, api: Api, repository: str) -> None:
        """`repository`: `owner/name`."""
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository}/actions/runs"

    async def begun_once(self, known: PullRequest) -> list[Run]:
        """What doesn't say how often it ran is of an older Enterprise, and would be run again for ever."""
        found: list[Run] = []
        for run in await self._runs(head_sha=known.head):
            if run.run_attempt == 1 and run.is_for(self._repository):
                failed = {FindingSource.CHECK.id_of(each.id): each.name for each in await self._failed(run)}
                found.append(Run(run.id, failed, run.status in _GOES_ON))
        return found

    async def recovered(self, known: PullRequest) -> set[str]:
        names = set[str]()
        for branch in (known.base, known.branch):
            runs = await self._runs(branch=branch, status="success")
            repeated = [each for each in runs if (each.run_attempt or 1) > 1 and each.is_for(self._repository)]
            for run in repeated[:MOST_RUNS]:
                names |= {each.name for each in await self._failed(run, "all")}
        return names

    async def begin_again(self, run: Run) -> None:
        await self._api.post(f"{self._path}/{run.id}/rerun-failed-jobs", Tolerant(), _ANYTHING)

    async def is_begun_again(self, run: Run) -> bool:
        now = await self._api.read(f"{self._path}/{run.id}", WorkflowRun)
        return (now.run_attempt or 1) > 1

    async def _runs(self, **asked: object) -> tuple[WorkflowRun, ...]:
        """The newest hundred."""
        path = f"{self._path}?{urlencode({**asked, 'per_page': 100})}"
        return (await self._api.read(path, WorkflowRuns)).workflow_runs

    async def _failed(self, run: WorkflowRun, which: str = "latest") -> list[CheckRun]:
        """`which`: jobs of the `latest` attempt, or of `all`."""
        pages = await Remembered(self._api, {}).pages(f"{self._path}/{run.id}/jobs?filter={which}", _JOBS)
        return [each for page in pages for each in page.jobs if is_failure(each)]
