"""Setting a status of a commit, in whichever dialect it is asked for."""

from __future__ import annotations

from fakes.forge.check_records import CommitStatus, StatusState
from fakes.forge.records import now
from fakes.forge.store import Repository


async def add_status(
    repository: Repository, sha: str, state: StatusState, context: str, description: str = "", target_url: str = ""
) -> CommitStatus:
    async with repository.changing():
        record = repository.record
        status = CommitStatus(
            id=record.next_id, sha=sha, context=context, state=state, description=description, target_url=target_url,
            created_at=now(),
        )  # fmt: skip
        repository.record = record.with_changes(last_id=record.last_id + 1, statuses=(*record.statuses, status))
        return status
