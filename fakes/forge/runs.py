"""Runs of several jobs, in attempts, and running again what has failed in one, in whichever dialect it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fakes.forge.check_records import CheckRun, CheckStatus
from fakes.forge.records import RepositoryRecord
from fakes.forge.store import Repository

ACTIONS = "github-actions"
"""The app of the checks that are jobs of the forge's own CI."""


def runs_of(record: RepositoryRecord, sha: str | None) -> dict[int, list[CheckRun]]:
    """The jobs, in every attempt, of each run of a commit, or of all; the newest run first."""
    runs: dict[int, list[CheckRun]] = {}
    for each in record.checks:
        if sha in (None, each.head_sha) and each.app == ACTIONS:
            runs.setdefault(each.run_id, []).append(each)
    return dict(sorted(runs.items(), reverse=True))


def newest_of(jobs: Iterable[CheckRun], attempt: int | None = None) -> list[CheckRun]:
    """Of each name the newest one, as `attempt` has seen it."""
    until = [each for each in jobs if attempt is None or each.attempt <= attempt]
    return list({each.name: each for each in sorted(until, key=lambda each: each.attempt)}.values())


def attempts_of(jobs: Iterable[CheckRun]) -> int:
    return max(each.attempt for each in jobs)


async def begin_again(repository: Repository, jobs: Sequence[CheckRun]) -> None:
    """Each of `jobs`, the newest of a run, that has failed gets a job of its own in the next attempt; what has passed
    stays as it ended.
    """
    async with repository.changing():
        record, attempt = repository.record, attempts_of(jobs) + 1
        for each in jobs:
            if each.failed:
                fields = {"id": record.next_id, "run": each.run_id, "attempt": attempt, "status": CheckStatus.QUEUED}
                begun = each.model_copy(update={**fields, "conclusion": None, "completed_at": None, "log": ""})
                record = record.with_changes(last_id=record.last_id + 1, checks=(*record.checks, begun))
        repository.record = record
