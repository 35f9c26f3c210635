"""The read side of the record: what the operator's commands show, and what recovery starts from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from domain.reports import (
    LATELY,
    ArtifactSeen,
    Census,
    DaemonsCounted,
    DaemonSeen,
    DirectivesCounted,
    DirectiveSummary,
)
from domain.statuses import DirectiveStatus
from ledger.pool import Database, reading
from ledger.statements import model_of, statements

# Each command reads little of this, and the classes of a whole directive take a quarter of a second to import.
if TYPE_CHECKING:
    from domain.day_budget import DayBudgetSeen
    from domain.experience import StepDone
    from domain.logged import DeliveryTold, LogPiece, LogPlace
    from domain.models import OpenQuestion, PlanChanges, State
    from domain.record import Event
    from domain.spending import AttemptSpent, DirectiveSpent


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
        from ledger.steps_done import steps_done

        with reading():
            return await steps_done(self._pool, owner, repository)

    async def open_questions(self, owner: str) -> tuple[OpenQuestion, ...]:
        """What the agents of an owner's directives ask of people, the oldest first (rule 8.3)."""
        from ledger.state_rows import open_question_of

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
        from ledger.state_rows import StateRows, state_of

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
        from domain.record import Event

        with reading():
            rows = [row async for row in self._sql.events_of_directive(self._pool, directive=directive)]
        return tuple(model_of(Event, row) for row in rows)

    async def attempts(self, directive: UUID) -> tuple[AttemptSpent, ...]:
        """Every attempt of a directive with what it used up, in the order of plans."""
        from domain.spending import AttemptSpent

        with reading():
            rows = [row async for row in self._sql.attempts_of_directive(self._pool, directive=directive)]
        return tuple(model_of(AttemptSpent, row) for row in rows)

    async def spent(self, owner: str) -> tuple[DirectiveSpent, ...]:
        """What each of an owner's directives has used up, the latest changed first."""
        from domain.spending import DirectiveSpent

        with reading():
            rows = [row async for row in self._sql.spent_by_directives(self._pool, owner=owner)]
        return tuple(model_of(DirectiveSpent, row) for row in rows)

    async def day_budgets(self, owner: str) -> tuple[DayBudgetSeen, ...]:
        """An owner's budgets of the day, and the accounts that were used today."""
        from ledger import day_budgets

        with reading():
            return await day_budgets.seen(self._pool, owner)

    async def plans(self, directive: UUID) -> dict[int, PlanChanges]:
        """Generation → what its planner handed over last, whether it was carried out or not."""
        from domain.models import PlanChanges

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

    async def deliveries(self, directive: UUID, task: UUID) -> tuple[DeliveryTold, ...]:
        """Every delivery of a task that has begun or logged something, by attempt and beginning."""
        from domain.logged import ENDS, DeliveryRow, told
        from domain.record import Event

        ends, of_task = [end.value for end in ENDS], {"directive": directive, "task": task}
        with reading():
            rows = [row async for row in self._sql.deliveries_of_task(self._pool, **of_task)]
            events = [row async for row in self._sql.ends_of_deliveries(self._pool, **of_task, ends=ends)]
        return tuple(told([model_of(DeliveryRow, row) for row in rows], [model_of(Event, row) for row in events]))

    async def log_after(self, task: UUID, place: LogPlace) -> tuple[list[LogPiece], LogPlace]:
        """What came behind `place` of a delivery's log, and the place to go on from. A line says how many bytes are
        missing where some are.
        """
        from ledger.rows import log_pieces

        with reading():
            chunks = [row async for row in self._sql.log_chunks(self._pool, task=task, **vars(place))]
        pieces, next_byte = log_pieces(chunks, place.next_byte)
        return pieces, replace(place, next_byte=next_byte)

    async def _summaries(self, owner: str, directive: UUID | None) -> tuple[DirectiveSummary, ...]:
        with reading():
            rows = [row async for row in self._sql.directives_of_owner(self._pool, owner=owner, directive=directive)]
        return tuple(model_of(DirectiveSummary, row) for row in rows)
