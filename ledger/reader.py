"""The read side of the record: what the operator's commands show, and what recovery starts from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.models import State
from domain.record import Event
from domain.reports import DaemonSeen, DirectiveSummary
from ledger.pool import Database, translated
from ledger.rows import model_of, state_of
from ledger.statements import statements


@dataclass(frozen=True)
class LogPlace:
    """How far a task's log was read: a delivery, and the byte where the last chunk read starts."""

    attempt: int
    delivery: str
    first_byte: int = -1


class Record:
    """Everything that is ever read from the record.

    Every method raises NotReachable while Postgres is away (ask again), and RecordError if it refuses a statement.
    """

    def __init__(self, pool: Database) -> None:
        self._pool = pool
        self._sql = statements()

    async def directives(self, owner: str) -> tuple[DirectiveSummary, ...]:
        """An owner's directives, the latest changed first."""
        with translated():
            rows = [row async for row in self._sql.directives_of_owner(self._pool, owner=owner)]
        return tuple(model_of(DirectiveSummary, row) for row in rows)

    async def directive_ids(self, owner: str, name: str) -> tuple[UUID, ...]:
        """The directives that `name` may mean: an id, the beginning of one, or a workflow id (SPEC 9.2)."""
        with translated():
            return tuple([row["id"] async for row in self._sql.directive_ids(self._pool, owner=owner, name=name)])

    async def state(self, directive: UUID) -> State | None:
        """Where a directive stands as of its last write, whole; None if the record doesn't know it."""
        with translated():
            async with self._pool.acquire() as session, session.transaction(isolation="repeatable_read", readonly=True):
                row = await self._sql.directive_row(session, directive=directive)
                steps = [step async for step in self._sql.steps_of_directive(session, directive=directive)]
                tasks = [task async for task in self._sql.tasks_of_directive(session, directive=directive)]
        return state_of(row, steps, tasks) if row else None

    async def events(self, directive: UUID) -> tuple[Event, ...]:
        """All that happened to a directive, in order."""
        with translated():
            rows = [row async for row in self._sql.events_of_directive(self._pool, directive=directive)]
        return tuple(model_of(Event, row) for row in rows)

    async def daemons(self, owner: str) -> tuple[DaemonSeen, ...]:
        """An owner's daemons by name, gone ones too: `silent_for` tells them apart."""
        with translated():
            rows = [row async for row in self._sql.daemons_of_owner(self._pool, owner=owner)]
        return tuple(model_of(DaemonSeen, row) for row in rows)

    async def logs(self, task: UUID) -> str:
        """The log of the latest delivery of a task's latest attempt, as far as it is here; empty if there is none."""
        text, _ = await self.logs_after(task, None)
        return text

    async def logs_after(self, task: UUID, place: LogPlace | None) -> tuple[str, LogPlace | None]:
        """What came behind `place`, and the place to go on from; a newer delivery's log is read from its start."""
        with translated():
            latest = await self._sql.latest_delivery(self._pool, task=task)
            if latest is None:
                return "", place
            here = LogPlace(**latest)
            if place and (place.attempt, place.delivery) == (here.attempt, here.delivery):
                here = place
            chunks = [
                row
                async for row in self._sql.log_chunks(
                    self._pool, task=task, attempt=here.attempt, delivery=here.delivery, after=here.first_byte
                )
            ]
        after = chunks[-1]["first_byte"] if chunks else here.first_byte
        return "".join(chunk["text"] for chunk in chunks), LogPlace(here.attempt, here.delivery, after)

    async def follow_logs(self, task: UUID, pause: timedelta = timedelta(seconds=1)) -> AsyncGenerator[str, None]:
        """A task's log as it grows, over its deliveries, for as long as the caller wants to listen."""
        place: LogPlace | None = None
        while True:
            text, place = await self.logs_after(task, place)
            if text:
                yield text
            else:
                await asyncio.sleep(pause.total_seconds())
