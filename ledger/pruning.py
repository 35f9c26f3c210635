"""Forgetting what nobody asks for any more: events and logs of directives that ended long ago."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from domain.names import short
from domain.pull_request import PullRequest, PullRequestState
from domain.remote_leftovers import EndedDirective, RecordedBranch, RemoteWanted
from domain.retention import PrunableRecord
from domain.statuses import DirectiveStatus
from ledger.pool import Database, reading, turn
from ledger.statements import model_of, statements

_FINAL = [status.value for status in DirectiveStatus if status.is_final]
_OVER = [state.value for state in PullRequestState if state.is_over]


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

    async def unfinished(self) -> tuple[str, ...]:
        """A line for each directive of whichever owner that has not ended."""
        with reading():
            if (await self._sql.is_empty(self._pool))["answer"]:
                return ()
            rows = [row async for row in self._sql.unfinished_of_all(self._pool, final=_FINAL)]
        return tuple(f"{short(row['id'])} of {row['owner']}, {row['status']}: {row['title']}" for row in rows)

    async def left_in(self, owner: str, repository: str) -> RemoteWanted:
        """What an owner's ended directives have left in a repository, and what there is still needed."""
        with reading():
            given = {"repository": repository, "final": _FINAL}
            ended = [row["id"] async for row in self._sql.ended_in(self._pool, owner=owner, **given)]
            going = [row async for row in self._sql.unfinished_in(self._pool, **given)]
            branches = await self._branches(ended)
            rows = [row async for row in self._sql.tasks_and_pull_requests(self._pool, directives=ended)]
            used = await self._branches([row["id"] for row in going])
            asked = {"repository": repository, "over": _OVER}
            opened = [row async for row in self._sql.open_pull_requests_in(self._pool, **asked)]
        left = tuple(
            EndedDirective(
                id=row["id"],
                title=row["title"],
                base_branch=row["base_branch"],
                branches=tuple(branches.get(row["id"], ())),
                tasks=tuple(row["tasks"]),
                pull_requests=tuple(PullRequest(**each) for each in row["pull_requests"]),
            )
            for row in rows
        )
        needed = {row["base_branch"] for row in going} | {each.name for known in used.values() for each in known}
        return RemoteWanted(
            repository=repository,
            owner=owner,
            directives=left,
            needed=tuple(sorted(needed - {""})),
            open_pull_requests=tuple(model_of(PullRequest, row) for row in opened),
        )

    async def _branches(self, directives: list[UUID]) -> dict[UUID, list[RecordedBranch]]:
        found: dict[UUID, list[RecordedBranch]] = {}
        async for row in self._sql.branches_of(self._pool, directives=directives):
            branch = RecordedBranch(name=row["name"], commits=tuple(row["commits"]))
            found.setdefault(row["directive_id"], []).append(branch)
        return found

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
