"""Failed jobs of Actions that look flaky are run once more before work is made of them (rule 7.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from http import HTTPStatus
from urllib.parse import urlencode

from pydantic import TypeAdapter

from daemon.forges.api import Api
from daemon.forges.github.check_findings import is_failure
from daemon.forges.github.payloads_checks import CheckRun, Jobs, WorkflowRun, WorkflowRuns
from daemon.forges.refusals import Declined
from domain.pull_request import FindingSource, PullRequest
from domain.tolerant import Tolerant

_ANYTHING = TypeAdapter(Tolerant)
_GOES_ON = frozenset({"queued", "in_progress", "requested"})
"""A run ends by itself, and can be run again then; one that waits for a person may not."""
MOST_RUNS = 5
"""Runs that were repeated whose jobs are looked at, of a branch: the newest."""


class Rerunning:
    """Of one repository's runs, for one look."""

    def __init__(self, api: Api, repository: str) -> None:
        """`repository`: `owner/name`."""
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository}/actions/runs"
        self._flaky: set[str] | None = None

    async def of(self, known: PullRequest, failed: Collection[str], names: Sequence[str]) -> frozenset[str]:
        """See daemon.forges.port.Forge.run_again. Only where all that has failed in a run looks flaky: the forge runs
        all of it again, and what is really broken would be told later for nothing.
        """
        again = set[str]()
        for run in await self._runs(head_sha=known.head):
            # What doesn't say how often it ran is of an older Enterprise, and would be run again for ever.
            if run.run_attempt != 1 or not run.is_for(self._repository):
                continue
            bad = [each for each in await self._jobs(run) if is_failure(each)]
            ids = {FindingSource.CHECK.id_of(each.id) for each in bad}
            if not ids & set(failed) or not await self._look_flaky(bad, known, names):
                continue
            if run.status in _GOES_ON or await self._is_run_again(run):
                again |= ids & set(failed)
        return frozenset(again)

    async def _look_flaky(self, jobs: Iterable[CheckRun], known: PullRequest, names: Sequence[str]) -> bool:
        unnamed = [each.name for each in jobs if not any(fnmatchcase(each.name, name) for name in names)]
        return not unnamed or set(unnamed) <= await self._flaky_ones(known)

    async def _flaky_ones(self, known: PullRequest) -> set[str]:
        """The names of jobs that have failed and then passed on the same commit, of the base branch or of this one."""
        if self._flaky is None:
            self._flaky = set()
            for branch in (known.base, known.branch):
                runs = await self._runs(branch=branch, status="success")
                repeated = [each for each in runs if (each.run_attempt or 1) > 1 and each.is_for(self._repository)]
                for run in repeated[:MOST_RUNS]:
                    self._flaky |= {each.name for each in await self._jobs(run, "all") if is_failure(each)}
        return self._flaky

    async def _is_run_again(self, run: WorkflowRun) -> bool:
        """Whether it is by now: an answer may be lost, and the same asked for twice is refused."""
        try:
            await self._api.post(f"{self._path}/{run.id}/rerun-failed-jobs", Tolerant(), _ANYTHING)
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            now = next((each for each in await self._runs(check_suite_id=run.check_suite_id) if each.id == run.id), run)
            return (now.run_attempt or 1) > 1
        return True

    async def _runs(self, **asked: object) -> tuple[WorkflowRun, ...]:
        """The newest hundred."""
        return (
            await self._api.read(f"{self._path}?{urlencode({**asked, 'per_page': 100})}", WorkflowRuns)
        ).workflow_runs

    async def _jobs(self, run: WorkflowRun, which: str = "latest") -> tuple[CheckRun, ...]:
        """`which`: `latest`, or `all` of each attempt."""
        return (await self._api.read(f"{self._path}/{run.id}/jobs?filter={which}&per_page=100", Jobs)).jobs
