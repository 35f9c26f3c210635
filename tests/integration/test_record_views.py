"""What the operator sees of the record: logs, daemons, lists; and what a Postgres that is away looks like."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.errors import NotReachable, SettingsError
from domain.models import DirectiveStatus, State, StepStatus
from domain.names import short, workflow_id
from domain.record import DaemonReport, DeliveryStarted, Facts, LogChunk, Verdict, snapshot
from ledger.pool import Database, Session, open_pool
from ledger.reader import Record
from ledger.writer import PostgresLedger
from tests.values import NOON, directive_with, with_step

pytestmark = pytest.mark.rule("9.1")


@pytest.fixture
def state() -> State:
    return directive_with()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


# Logs and daemons


def chunks_of(task: UUID, attempt: int, delivery: str, *texts: str) -> list[LogChunk]:
    directive, made, offset = uuid4(), [], 0
    for text in texts:
        made.append(
            LogChunk(directive=directive, task=task, attempt=attempt, delivery=delivery, offset=offset, text=text)
        )
        offset += len(text.encode())
    return made


async def test_a_log_is_whole_in_whatever_order_and_however_often_its_chunks_come(
    ledger: PostgresLedger, record: Record
) -> None:
    task = uuid4()
    one, two, three = chunks_of(task, 1, "d", "grün\n", "nul \0\n", "end\n")
    for chunk in (three, one, one, two, three):
        await ledger.append_log(chunk)
    assert await record.logs(task) == "grün\nnul \ufffd\nend\n"
    assert await record.logs(uuid4()) == ""


async def test_the_log_shown_is_that_of_the_latest_delivery_of_the_latest_attempt(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    task = next(iter(state.tasks))
    starts = tuple(
        DeliveryStarted(task=task, attempt=2, delivery=name, daemon="box", at=NOON + timedelta(minutes=n))
        for n, name in enumerate(("lost", "last"))
    )
    await ledger.record(snapshot(state, Facts(deliveries=starts), "run", 1))
    # The lost delivery's machine was cut off, and sends what it had gathered after everything else.
    for attempt, delivery in ((2, "last"), (1, "first"), (2, "lost")):
        for chunk in chunks_of(task, attempt, delivery, f"{attempt} {delivery}"):
            own = chunk.model_copy(update={"directive": state.directive.id})
            await ledger.append_log(own)
    assert await record.logs(task) == "2 last"


async def test_a_log_is_followed_as_it_grows_and_over_to_the_next_attempt(
    ledger: PostgresLedger, record: Record
) -> None:
    task = uuid4()
    one, two = chunks_of(task, 1, "a", "one ", "two ")
    (three,) = chunks_of(task, 2, "b", "three")
    await ledger.append_log(one)
    heard = record.follow_logs(task, pause=timedelta(milliseconds=10))
    assert await anext(heard) == "one "
    for chunk in (two, three):
        await ledger.append_log(chunk)
        assert await anext(heard) == chunk.text
    await heard.aclose()


async def test_a_daemon_is_known_by_its_last_report(ledger: PostgresLedger, record: Record) -> None:
    report = DaemonReport(owner="me", name="box", version="1", agents=("shell",), labels=("gpu",), capacity=4)
    await ledger.report_daemon(report)
    await ledger.report_daemon(report.model_copy(update={"running": (UUID(int=1),)}))
    await ledger.report_daemon(report.model_copy(update={"owner": "somebody else"}))
    (seen,) = await record.daemons("me")
    assert (seen.name, seen.agents, seen.labels, seen.capacity, seen.running) == (
        "box",
        ("shell",),
        ("gpu",),
        4,
        (UUID(int=1),),
    )
    assert timedelta() <= seen.silent_for < timedelta(minutes=1)


# Lists


async def test_an_owner_lists_only_their_own_directives_the_latest_changed_first(
    ledger: PostgresLedger, record: Record
) -> None:
    older, newer, foreign = directive_with(), directive_with(title="More"), directive_with(owner="somebody else")
    older = with_step(older, next(iter(older.steps)), status=StepStatus.COMPLETED)
    older = older.model_copy(update={"status": DirectiveStatus.PAUSED, "reason": "no plan"})
    for state in (older, newer, foreign):
        await ledger.record(snapshot(state, Facts(), "run", 1))
    first, second = await record.directives("me")
    assert (first.id, first.title, first.workflow_id) == (
        newer.directive.id,
        "More",
        workflow_id("More", newer.directive.id),
    )
    assert (second.status, second.reason, second.generation) == (DirectiveStatus.PAUSED, "no plan", 1)
    assert second.steps == {StepStatus.COMPLETED: 1, StepStatus.PENDING: 1}
    assert first.updated_at > second.updated_at


async def test_a_directive_is_found_by_id_prefix_or_workflow_name(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    identity = state.directive.id
    await ledger.record(snapshot(state, Facts(), "run", 1))
    await ledger.record(snapshot(directive_with(), Facts(), "run", 1))
    for name in (
        str(identity),
        str(identity).upper(),
        identity.hex,
        short(identity),
        workflow_id("Add auth", identity),
    ):
        assert await record.directive_ids("me", name) == (identity,), name
    assert await record.directive_ids("somebody else", str(identity)) == ()
    assert len(await record.directive_ids("me", "")) == 2


# Postgres itself


async def test_an_unreachable_postgres_is_one_line_without_the_password(unused_port: int) -> None:
    with pytest.raises(NotReachable, match=rf"Postgres at 127\.0\.0\.1:{unused_port} does not answer") as caught:
        await open_pool(f"postgresql://me:s3cret@127.0.0.1:{unused_port}/makima")
    assert "s3cret" not in str(caught.value)


async def test_a_wrong_password_or_database_is_a_matter_of_settings(database: str) -> None:
    with pytest.raises(SettingsError, match="check MAKIMA_DATABASE_URL"):
        await open_pool(f"{database}-missing")
    with pytest.raises(SettingsError, match="postgresql://user:password@host/name"):
        await open_pool("not a url")


async def test_a_write_whose_connection_broke_is_worth_another_try(
    ledger: PostgresLedger, pool: Database, state: State
) -> None:
    sent = snapshot(state, Facts(), "run", 1)
    async with pool.acquire() as other:
        async with other.transaction():
            await other.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", str(state.directive.id))
            writing = asyncio.create_task(ledger.record(sent))
            await until_killed(other)
        with pytest.raises(NotReachable, match="Postgres does not answer"):
            await writing
    assert (await ledger.record(sent)).verdict is Verdict.APPLIED


async def until_killed(session: Session) -> None:
    """Wait for a session of this database that waits for a lock, and kill it."""
    kill = """
        select pg_terminate_backend(l.pid) from pg_locks as l join pg_database as d on d.oid = l.database
        where l.locktype = 'advisory' and not l.granted and d.datname = current_database()
    """
    async with asyncio.timeout(10):
        killed = None
        while not killed:
            await asyncio.sleep(0.01)
            killed = await session.fetchval(kill)
