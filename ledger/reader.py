"""The read side of the record: what the operator's commands show, and what recovery starts from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.experience import StepDone
from domain.models import PlanChanges, State
from domain.record import Event
from domain.reports import (
    LATELY,
    ArtifactSeen,
    Census,
    DaemonsCounted,
    DaemonSeen,
    DirectivesCounted,
    DirectiveSummary,
    OpenQuestion,
)
from domain.spending import AttemptSpent, DirectiveSpent
from domain.statuses import DirectiveStatus
from ledger.pool import Database, reading
from ledger.rows import StateRows, log_text, model_of, open_question_of, state_of
from ledger.statements import statements
from ledger.steps_done import steps_done


@dataclass(frozen=True)
class LogPlace:
    """How far a task's log was read: a delivery, and the byte behind what was read of it."""

    attempt: int
    delivery: str
    next_byte: int = 0


class Record:
    """Everything that is ever read from the record.

    Every method raises NotReachable while Postgres is away (ask again) or its tables are of a version before, and
    RecordError if it refuses a statement.
    """

    def __init__(self, pool: Database) -> None:
        self._pool = pool
        self._sql = statements()

    async def directives(self, owner: str) -> tuple[DirectiveSummary, ...]:
        """An owner's directives, the latest changed first."""
        return await self._summaries(owner, None)

    async def directive(self, owner: str, directive: UUID) -> DirectiveSummary | None:
        """One of them; None where it is not the owner's."""
        return next(iter(await self._summaries(owner, directive)), None)

    async def unfinished(self, owner: str) -> tuple[DirectiveSummary, ...]:
        """An owner's directives that are not closed, which is what recovery may go on with; drafts too."""
        return tuple(summary for summary in await self.directives(owner) if not summary.status.is_final)

    async def steps_done(self, owner: str, repository: str) -> tuple[StepDone, ...]:
        """What the latest completed steps of an owner's directives in a repository have used."""
        with reading():
            return await steps_done(self._pool, owner, repository)

    async def open_questions(self, owner: str) -> tuple[OpenQuestion, ...]:
        """What the agents of an owner's directives ask of people, the oldest first (rule 8.3)."""
        final = [status.value for status in DirectiveStatus if status.is_final]
        with reading():
            rows = [row async for row in self._sql.open_questions(self._pool, owner=owner, final=final)]
        return tuple(open_question_of(row) for row in rows)

    async def directive_ids(self, owner: str, name: str) -> tuple[UUID, ...]:
        """The directives that `name` may mean: an id, the beginning of one, or a workflow id (rule 9.2)."""
        with reading():
            return tuple([row["id"] async for row in self._sql.directive_ids(self._pool, owner=owner, name=name)])

    async def directives_titled(self, owner: str, title: str) -> tuple[UUID, ...]:
        """The directives of this title, in whatever letter case."""
        with reading():
            found = self._sql.directives_titled(self._pool, owner=owner, title=title)
            return tuple([row["id"] async for row in found])

    async def state(self, directive: UUID) -> State | None:
        """Where a directive stands as of its last write, whole; None if the record doesn't know it."""
        with reading():
            async with self._pool.acquire() as session, session.transaction(isolation="repeatable_read", readonly=True):
                row = await self._sql.directive_row(session, directive=directive)
                if row is None:
                    return None
                rows = StateRows(
                    directive=row,
                    steps=[step async for step in self._sql.steps_of_directive(session, directive=directive)],
                    tasks=[task async for task in self._sql.tasks_of_directive(session, directive=directive)],
                    memories=[memory async for memory in self._sql.memories_of_directive(session, directive=directive)],
                    questions=[asked async for asked in self._sql.questions_of_directive(session, directive=directive)],
                )
        return state_of(rows)

    async def is_answered(self, directive: UUID, request_id: str) -> bool:
        """Whether the record holds what this request led to."""
        with reading():
            return bool(await self._sql.is_answered(self._pool, directive=directive, request=request_id))

    async def checked_ago(self) -> timedelta | None:
        """How long ago a worker last looked which workflows are lost, by the database's clock; None: never."""
        with reading():
            ago: timedelta | None = await self._sql.checked_ago(self._pool)
        return ago

    async def sequence(self, directive: UUID) -> int:
        """How many writes of a directive were applied, which is what a recovered run counts on from; 0 if none was."""
        with reading():
            row = await self._sql.last_write(self._pool, directive=directive)
        return row["sequence"] if row else 0

    async def events(self, directive: UUID) -> tuple[Event, ...]:
        """All that happened to a directive, in order."""
        with reading():
            rows = [row async for row in self._sql.events_of_directive(self._pool, directive=directive)]
        return tuple(model_of(Event, row) for row in rows)

    async def attempts(self, directive: UUID) -> tuple[AttemptSpent, ...]:
        """Every attempt of a directive with what it used up, in the order of plans."""
        with reading():
            rows = [row async for row in self._sql.attempts_of_directive(self._pool, directive=directive)]
        return tuple(model_of(AttemptSpent, row) for row in rows)

    async def spent(self, owner: str) -> tuple[DirectiveSpent, ...]:
        """What each of an owner's directives has used up, the latest changed first."""
        with reading():
            rows = [row async for row in self._sql.spent_by_directives(self._pool, owner=owner)]
        return tuple(model_of(DirectiveSpent, row) for row in rows)

    async def plans(self, directive: UUID) -> dict[int, PlanChanges]:
        """Generation → what its planner handed over last, whether it was carried out or not."""
        with reading():
            rows = [row async for row in self._sql.plans_of_directive(self._pool, directive=directive)]
        return {row["generation"]: PlanChanges.model_validate(row["plan"]) for row in rows}

    async def artifacts(self, directive: UUID) -> tuple[ArtifactSeen, ...]:
        """The files that a directive's tasks handed over, the latest first; of every task and attempt its own."""
        with reading():
            rows = [row async for row in self._sql.artifacts_of_directive(self._pool, directive=directive)]
        return tuple(model_of(ArtifactSeen, row) for row in rows)

    async def artifact(self, directive: UUID, name: str) -> str | None:
        """The text of the latest file of that name; None if there is none."""
        with reading():
            content: str | None = await self._sql.artifact(self._pool, directive=directive, name=name)
        return content

    async def daemons(self, owner: str) -> tuple[DaemonSeen, ...]:
        """An owner's daemons by name, gone ones too: `silent_for` tells them apart."""
        with reading():
            rows = [row async for row in self._sql.daemons_of_owner(self._pool, owner=owner)]
        return tuple(model_of(DaemonSeen, row) for row in rows)

    async def census(self) -> Census:
        """How many directives and daemons there are, of all owners."""
        statuses = [status.value for status in DirectiveStatus]
        with reading():
            directives = [row async for row in self._sql.directives_by_status(self._pool, statuses=statuses)]
            daemons = [row async for row in self._sql.daemons_by_owner(self._pool, lately=LATELY)]
        return Census(
            directives=tuple(model_of(DirectivesCounted, row) for row in directives),
            daemons=tuple(model_of(DaemonsCounted, row) for row in daemons),
        )

    async def logs(self, task: UUID) -> str:
        """The log of the latest delivery of a task's latest attempt, as far as it is here; empty if there is none."""
        text, _ = await self.logs_after(task, None)
        return text

    async def logs_after(self, task: UUID, place: LogPlace | None) -> tuple[str, LogPlace | None]:
        """What came behind `place`, and the place to go on from; a newer delivery's log is read from its start. A line
        says how many bytes are missing where some are.
        """
        with reading():
            latest = await self._sql.latest_delivery(self._pool, task=task)
            if latest is None:
                return "", place
            here = LogPlace(**latest)
            if place and (place.attempt, place.delivery) == (here.attempt, here.delivery):
                here = place
            chunks = [
                row
                async for row in self._sql.log_chunks(
                    self._pool, task=task, attempt=here.attempt, delivery=here.delivery, next_byte=here.next_byte
                )
            ]
        text, next_byte = log_text(chunks, here.next_byte)
        return text, LogPlace(here.attempt, here.delivery, next_byte)

    async def _summaries(self, owner: str, directive: UUID | None) -> tuple[DirectiveSummary, ...]:
        with reading():
            rows = [row async for row in self._sql.directives_of_owner(self._pool, owner=owner, directive=directive)]
        return tuple(model_of(DirectiveSummary, row) for row in rows)

    async def follow_logs(self, task: UUID, pause: timedelta = timedelta(seconds=1)) -> AsyncGenerator[str, None]:
        """A task's log as it grows, over its deliveries, for as long as the caller wants to listen."""
        place: LogPlace | None = None
        while True:
            text, place = await self.logs_after(task, place)
            if text:
                yield text
            else:
                await asyncio.sleep(pause.total_seconds())
