"""What the record says of workflows that have ended before their time (rule 9.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from domain.reports import WorkflowNoted
from domain.statuses import DirectiveStatus
from ledger.pool import Database, translated
from ledger.statements import model_of, statements

FINAL = [status.value for status in DirectiveStatus if status.is_final]


class WorkflowChecks:
    """What was seen of workflows.

    Every method raises NotReachable while Postgres is away (call again), and RecordError if it refuses a statement.
    """

    def __init__(self, pool: Database) -> None:
        self._pool = pool
        self._sql = statements()

    async def unfinished(self) -> dict[str, WorkflowNoted]:
        """The workflow of each directive that has not ended, of all owners → what is noted of it."""
        with translated():
            rows = [row async for row in self._sql.unfinished_workflows(self._pool, final=FINAL)]
        return {row["workflow_id"]: model_of(WorkflowNoted, row) for row in rows}

    async def clock(self) -> datetime:
        """The database's time."""
        with translated():
            now: datetime = await self._sql.clock(self._pool)
        return now

    async def note(self, seen: Mapping[str, WorkflowNoted], looked_at: datetime) -> None:
        """Note a look that began at `looked_at`, by workflow. Whatever directive has written since is not lost."""
        with translated():
            if seen:
                told = {workflow: noted.model_dump(mode="json") for workflow, noted in seen.items()}
                await self._sql.note_workflows(self._pool, seen=told, final=FINAL, looked_at=looked_at)
            await self._sql.note_check(self._pool)

    async def stop(self) -> None:
        """Note that this worker looks no more."""
        with translated():
            await self._sql.forget_check(self._pool)
