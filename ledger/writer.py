"""The write side of the record: what the core's ledger and telemetry activities call through their ports."""

from __future__ import annotations

from uuid import UUID

from pydantic import SecretStr, ValidationError

from domain.daemon_messages import (
    LOG_BYTES,
    LOG_HEAD_BYTES,
    MOST_BESIDE,
    Artifact,
    DaemonReport,
    DaemonWanted,
    LogChunk,
    UsageReport,
    UsedBeside,
)
from domain.day_budget import DayBudgetChange
from domain.directive_secret import new_secret
from domain.errors import RowBroken
from domain.events import EventName
from domain.experience import RepositoryNamed, StepDone
from domain.problems import first_problem
from domain.record import AttemptNamed, Event, Facts, LastWrite, ProgressWrite, WriteAnswer, WriteVerdict, answer_to
from domain.reports import LATELY
from domain.spawn_task import Outcome
from domain.usage import Rate
from ledger import day_budgets
from ledger.pool import Database, Session, one_line, storable, translated, turn
from ledger.rows import (
    artifact_text,
    attempt_rows,
    directive_row,
    event_row,
    fingerprint,
    outcome_of,
    plain_rows,
    pull_request_rows,
    revision_row,
)
from ledger.statements import DatabaseRow, model_of, statements
from ledger.steps_done import rates, steps_done


class PostgresLedger:
    """Everything that is ever written to the record.

    Every method raises NotReachable while Postgres is away (call again), and RecordError if it refuses a statement.
    """

    def __init__(self, pool: Database) -> None:
        self._pool = pool
        self._sql = statements()

    async def record(self, write: ProgressWrite) -> WriteAnswer:
        """Take a change of one directive into the record, whole or not at all (rule 9.1, design 3)."""
        with translated():
            async with self._pool.acquire() as session, turn(session, write.row.directive.id):
                recorded: DatabaseRow | None = await self._sql.last_write(session, directive=write.row.directive.id)
                last = LastWrite(recorded["run_id"], recorded["sequence"]) if recorded else None
                answer = answer_to(write, last)
                if answer.verdict is WriteVerdict.APPLIED:
                    await self._apply(session, write, recorded["fingerprint"] if recorded else None)
                return await self._with_secret(session, write, answer)

    async def pick_daemon(self, wanted: DaemonWanted) -> str | None:
        """The daemon with the most free slots that reported lately, by the database's clock; None if none did."""
        with translated():
            name: str | None = await self._sql.pick_daemon(
                self._pool,
                owner=wanted.owner,
                label=wanted.label,
                feature=wanted.feature,
                exclude=list(wanted.exclude),
                lately=LATELY,
            )
        return name

    async def find_outcome(self, wanted: AttemptNamed) -> Outcome | None:
        """How an attempt ended; None where the record knows no end of it. Raises RowBroken, too."""
        with translated():
            row: DatabaseRow | None = await self._sql.outcome_of(self._pool, **wanted.model_dump())
        try:
            return outcome_of(row) if row else None
        except (TypeError, ValueError) as error:
            what = f"attempt {wanted.attempt} of task {wanted.task}"
            wrong = first_problem(error) if isinstance(error, ValidationError) else one_line(error)
            raise RowBroken(f"the record's row of {what} can't be read: {wrong}") from error

    async def steps_done(self, wanted: RepositoryNamed) -> tuple[StepDone, ...]:
        """What the latest completed steps of the owner's in a repository have used."""
        with translated():
            return await steps_done(self._pool, wanted.owner, wanted.repository)

    async def rates(self, wanted: RepositoryNamed) -> dict[str, Rate]:
        """What agents have cost in the owner's latest steps in a repository."""
        with translated():
            return await rates(self._pool, wanted.owner, wanted.repository)

    async def put_artifact(self, artifact: Artifact) -> None:
        """Keep a file that a task handed over, cut to 1 MiB; it may be here before the record of its task."""
        with translated():
            await self._sql.put_artifact(
                self._pool,
                directive=artifact.directive,
                task=artifact.task,
                attempt=artifact.attempt,
                name=storable(artifact.name),
                content=artifact_text(artifact.content),
            )

    async def append_log(self, chunk: LogChunk) -> None:
        """Keep a piece of a log; one that is there already changes nothing (design 4). Of an attempt's log the first 2
        and the last 6 MiB stay (rule 6.11).
        """
        with translated():
            await self._sql.append_log(
                self._pool,
                task=chunk.task,
                attempt=chunk.attempt,
                delivery=chunk.delivery,
                first_byte=chunk.offset,
                directive=chunk.directive,
                text=storable(chunk.text),
                times=chunk.times,
            )
            await self._sql.trim_log(
                self._pool, task=chunk.task, attempt=chunk.attempt, head=LOG_HEAD_BYTES, limit=LOG_BYTES
            )

    async def note_usage(self, report: UsageReport) -> UsedBeside:
        """Note what a running attempt has used, unless it has ended; what all others of its directive have used, and
        which steps run beside it, and how far the day's budgets are. People are told once a day that one of those ends
        soon.
        """
        directive = report.directive
        named = {"directive": directive, "task": report.task, "attempt": report.attempt}
        used = report.usage.model_dump(include={"seconds", "cost_usd", "tokens", "cost_unknown"})
        told = {
            "estimated_usd": report.estimated_usd,
            "turns": report.turns,
            "account": report.account,
            "saved": report.saved.model_dump(mode="json") if report.saved else None,
            "clashes": plain_rows(report.clashes),
        }
        with translated():
            async with self._pool.acquire() as session, session.transaction():
                await self._sql.note_usage(session, **named, **used, **told)
                beside = model_of(UsedBeside, await self._sql.used_beside(session, **named, most=MOST_BESIDE))
                days, nearly = await day_budgets.standings(session, report.owner, report.account)
                for why in nearly:
                    await self._add_own_event(session, directive, EventName.BUDGET_NEARLY_USED, why)
        return beside.model_copy(update={"days": days})

    async def change_day_budget(self, wanted: DayBudgetChange) -> None:
        """Set, raise or take away a budget of the day."""
        with translated():
            await day_budgets.change(self._pool, wanted)

    async def knows_daemon(self, owner: str, name: str) -> bool:
        """Whether it has reported before, or has taken a task of one of the owner's directives."""
        with translated():
            return bool(await self._sql.knows_daemon(self._pool, owner=owner, name=storable(name)))

    async def report_daemon(self, report: DaemonReport) -> None:
        """Keep a daemon's last report, and by the database's clock when it came."""
        with translated():
            await self._sql.report_daemon(self._pool, **report.model_dump())

    async def _with_secret(self, session: Session, write: ProgressWrite, answer: WriteAnswer) -> WriteAnswer:
        """The answer, with the secret for a run that was started from the record (docs/decisions/0010)."""
        if not (write.snapshot and write.row.authenticated) or write.secret:
            return answer
        directive = write.row.directive.id
        known: str | None = await self._sql.secret_of(session, directive=directive)
        secret = SecretStr(known) if known else await self._renewed(session, directive)
        return answer.model_copy(update={"secret": secret})

    async def _renewed(self, session: Session, directive: UUID) -> SecretStr:
        """A new secret in place of one that the record has lost, as by a dump without its table: without any, nothing
        of the directive would ever be dispatched again.
        """
        secret = new_secret()
        await self._sql.put_secret(session, directive=directive, secret=secret.get_secret_value())
        why = "the record has lost the one before: what is on the remote of unrecorded attempts counts no more"
        await self._add_own_event(session, directive, EventName.SECRET_RENEWED, why)
        return secret

    async def _add_own_event(self, session: Session, directive: UUID, what: EventName, why: str) -> None:
        """What the record alone knows."""
        event = Event(at=await self._sql.clock(session), actor="makima", what=what, why=why)
        await self._add(session, directive, Facts(events=(event,)))

    async def _apply(self, session: Session, write: ProgressWrite, recorded: UUID | None) -> None:
        """In as few statements as there can be: each one is a round trip (docs/benchmarks.md)."""
        directive = write.row.directive.id
        await self._sql.put_state(
            session,
            directive=directive,
            row=directive_row(write),
            pull_requests=pull_request_rows(write),
            steps=plain_rows(write.steps),
            tasks=plain_rows(write.tasks),
        )
        if write.secret:
            await self._sql.put_secret(session, directive=directive, secret=write.secret.get_secret_value())
        if write.snapshot:
            await self._drop_others(session, write)
        if write.snapshot or fingerprint(write.row) != recorded:
            await self._put_memories_and_questions(session, write)
        await self._add(session, directive, write.facts)

    async def _put_memories_and_questions(self, session: Session, write: ProgressWrite) -> None:
        directive, row = write.row.directive.id, write.row
        await self._sql.put_memories(session, directive=directive, rows=plain_rows(row.memories.values()))
        await self._sql.put_questions(session, directive=directive, rows=plain_rows(row.questions.values()))

    async def _drop_others(self, session: Session, write: ProgressWrite) -> None:
        directive = write.row.directive.id
        await self._sql.drop_other_steps(session, directive=directive, kept=[step.id for step in write.steps])
        await self._sql.drop_other_tasks(session, directive=directive, kept=[task.id for task in write.tasks])

    async def _add(self, session: Session, directive: UUID, facts: Facts) -> None:
        if facts == Facts(pull_requests=facts.pull_requests):
            return
        await self._sql.add_facts(
            session,
            directive=directive,
            revisions=[revision_row(revision) for revision in facts.revisions],
            deliveries=plain_rows(facts.deliveries),
            ended=attempt_rows(facts.attempts),
            events=[event_row(event) for event in facts.events],
        )
