"""Forgetting what nobody asks for any more: events and logs of directives that ended long ago."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from domain.spending import PrunableRecord
from domain.statuses import DirectiveStatus
from ledger.pool import Database, reading, turn
from ledger.rows import model_of
from ledger.statements import statements

_FINAL = [status.value for status in DirectiveStatus if status.is_final]


class Retention:
    """The one way in which anything leaves the record; what a directive was, did and cost stays.

    Every method raises NotReachable while Postgres is away, and RecordError if it refuses a statement.
    """

    def __init__(self, pool: Database) -> None:
        self._pool = pool
        self._sql = statements()

    async def prunable(self, owner: str, older_than: timedelta) -> tuple[PrunableRecord, ...]:
        """An owner's directives that ended so long ago and have events or logs, the oldest first."""
        given = {"owner": owner, "older_than": older_than, "final": _FINAL}
        with reading():
            rows = [row async for row in self._sql.prunable(self._pool, **given)]
        return tuple(model_of(PrunableRecord, row) for row in rows)

    async def prune(self, directive: UUID) -> bool:
        """Forget a directive's events and logs, with one event that says so; False where it has not ended."""
        with reading():
            async with self._pool.acquire() as session, turn(session, directive):
                row = await self._sql.directive_row(session, directive=directive)
                if row is None or row["status"] not in _FINAL:
                    return False
                await self._sql.name_pruned(session, directive=str(directive))
                await self._sql.prune_events(session, directive=directive)
                await self._sql.prune_logs(session, directive=directive)
                await self._sql.note_pruning(session, directive=directive, why="its events and logs were deleted")
        return True
