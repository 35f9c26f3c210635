"""Failed jobs that look flaky are run once more before work is made of them (rule 7.5); the same at every forge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Protocol

from daemon.forges.refusals import Declined
from domain.pull_request import PullRequest


@dataclass(frozen=True)
class Run:
    """What a forge runs again as a whole: a run of a workflow, a pipeline."""

    id: int
    failed: Mapping[str, str]
    """The findings' ids of all jobs that have failed in it → their names."""
    goes_on: bool = False
    """It ends by itself, and can be run again then; one that waits for a person may not."""


class RunsPort(Protocol):
    """Those of one repository, at one kind of forge, for one look; each call raises as those of the port do."""

    async def begun_once(self, known: PullRequest) -> Sequence[Run]:
        """Those of its head, for this repository, in which nothing was run again before, whoever would have done it."""
        ...

    async def recovered(self, known: PullRequest) -> Collection[str]:
        """The names of jobs that have failed and then passed on the same commit, in the newest runs of the base branch
        and of this one.
        """
        ...

    async def begin_again(self, run: Run) -> None:
        """Run what has failed in it once more."""
        ...

    async def is_begun_again(self, run: Run) -> bool:
        """Whether it was run again since it was read."""
        ...


class Rerunning:
    """For one look; see daemon.forges.port.Forge.run_again."""

    def __init__(self, runs: RunsPort) -> None:
        self._runs = runs
        self._recovered: Collection[str] | None = None

    async def of(self, known: PullRequest, failed: Collection[str], names: Sequence[str]) -> frozenset[str]:
        """Only where all that has failed in a run looks flaky: the forge runs all of it again, and what is really
        broken would be told later for nothing.
        """
        again = set[str]()
        for run in await self._runs.begun_once(known):
            asked = set(failed) & set(run.failed)
            if not asked or not await self._look_flaky(run, known, names):
                continue
            if run.goes_on or await self._is_run_again(run):
                again |= asked
        return frozenset(again)

    async def _look_flaky(self, run: Run, known: PullRequest, names: Sequence[str]) -> bool:
        unnamed = {each for each in run.failed.values() if not any(fnmatchcase(each, name) for name in names)}
        if unnamed and self._recovered is None:
            self._recovered = await self._runs.recovered(known)
        return unnamed <= set(self._recovered or ())

    async def _is_run_again(self, run: Run) -> bool:
        """Whether it is by now: an answer may be lost, and the same asked for twice is refused."""
        try:
            await self._runs.begin_again(run)
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            return await self._runs.is_begun_again(run)
        return True
