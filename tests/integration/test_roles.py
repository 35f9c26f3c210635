"""The worker's role of Postgres can write the record, and neither undo nor empty it; the reader's can read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from domain.budget import Budget
from domain.daemon_messages import Artifact, DaemonReport, LogChunk, UsageReport
from domain.day_budget import DayBudgetChange
from domain.directive_secret import new_secret
from domain.errors import RecordError
from domain.events import EventName
from domain.notices import Notice, NoticeKind
from domain.record import DeliveryStarted, Facts, WriteVerdict, snapshot
from domain.usage import Usage
from ledger.migrate import migrate
from ledger.outbox import Outbox, begin
from ledger.pool import Database, open_pool
from ledger.reader import Record
from ledger.roles import let_read, let_write
from ledger.writer import PostgresLedger
from tests.fixtures_ledger import administer
from tests.values import NOON, asking, directive_with, event, question, remembering

pytestmark = pytest.mark.rule("9.1")


@pytest_asyncio.fixture
async def role(postgres_server: str) -> AsyncIterator[str]:
    """A fresh role that may log in with its name as password; it owns nothing."""
    name = f"role_{uuid4().hex[:12]}"
    await administer(postgres_server, f"create role {name} login password '{name}'")
    try:
        yield name
    finally:
        await administer(postgres_server, f"drop role {name}")


@pytest_asyncio.fixture
async def as_role(database: str, pool: Database, role: str) -> AsyncIterator[Database]:
    """Connections of the role to the test's database."""
    parts = urlsplit(database)
    dsn = parts._replace(netloc=f"{role}:{role}@{parts.hostname}:{parts.port}").geturl()
    async with await open_pool(dsn, size=2) as opened:
        yield opened
    await pool.execute(f"drop owned by {role}")


async def test_the_workers_role_does_all_that_worker_py_does(pool: Database, as_role: Database, role: str) -> None:
    await let_write(pool, role)
    assert await migrate(as_role) == ()
    ledger, state = PostgresLedger(as_role), directive_with()
    task = next(iter(state.tasks))
    full = remembering(asking(state, question(task)), key="value")
    written = await ledger.record(snapshot(full, Facts(events=(event("directive idle"),)), "run", 1))
    assert written.verdict is WriteVerdict.APPLIED
    assert (await ledger.record(snapshot(state, Facts(), "run", 2))).verdict is WriteVerdict.APPLIED
    directive = state.directive.id
    await ledger.append_log(LogChunk(directive=directive, task=task, attempt=1, delivery="d", offset=0, text="x"))
    await ledger.put_artifact(Artifact(directive=directive, task=task, attempt=1, name="n", content="c"))
    await ledger.report_daemon(DaemonReport(owner="me", name="n", version="1", agents=(), capacity=1))
    await ledger.change_day_budget(DayBudgetChange(owner="me", budget=Budget(cost_usd=9)))
    usage = UsageReport(owner="me", directive=directive, task=task, attempt=1, usage=Usage(cost_usd=8))
    start = DeliveryStarted(task=task, attempt=1, delivery="d", daemon="n", at=NOON)
    await ledger.record(snapshot(state, Facts(deliveries=(start,)), "run", 3))
    assert [each.used.cost_usd for each in (await ledger.note_usage(usage)).days] == [8]
    await begin(as_role, "me", {"webhook": tuple(NoticeKind)})
    told: list[Notice] = []

    async def send(sent: Notice) -> None:
        told.append(sent)

    await ledger.record(snapshot(state, Facts(events=(event(EventName.DIRECTIVE_PAUSED),)), "run", 4))
    await Outbox(as_role, "me", "webhook").empty(send)
    assert [sent.kind for sent in told] == [NoticeKind.PAUSE]
    assert await Record(as_role).state(directive) == state


@pytest.mark.parametrize(
    "statement",
    [
        "delete from directives",
        "delete from steps",
        "delete from attempts",
        "delete from events",
        "delete from day_usage",
        "update directive_secrets set secret = 'mine'",
        "delete from directive_secrets",
        "update events set what = 'else'",
        "update goal_revisions set goal = 'else'",
        "truncate task_logs",
        "drop table artifacts",
        "alter table events disable trigger all",
        "create table public.mine (n int)",
        "insert into schema_migrations (name, checksum) values ('x', 'y')",
        "select pg_read_file('/etc/passwd')",
        "copy directives to program 'cat'",
    ],
)
async def test_the_workers_role_can_not(pool: Database, as_role: Database, role: str, statement: str) -> None:
    await let_write(pool, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_role.execute(statement)


async def test_the_readers_role_reads_and_writes_nothing(pool: Database, as_role: Database, role: str) -> None:
    await let_read(pool, role)
    assert await Record(as_role).directives("me") == ()
    with pytest.raises(RecordError, match="permission denied"):
        await PostgresLedger(as_role).record(snapshot(directive_with(), Facts(), "run", 1))


async def test_only_the_workers_role_reads_what_directives_are_authenticated_with(
    pool: Database, as_role: Database, role: str
) -> None:
    state = directive_with().model_copy(update={"authenticated": True})
    first, second = new_secret(), new_secret()
    await let_write(pool, role)
    await PostgresLedger(as_role).record(snapshot(state, Facts(), "run", 1, first))
    await PostgresLedger(as_role).record(snapshot(state, Facts(), "run", 2, second))
    recovered = await PostgresLedger(as_role).record(snapshot(state, Facts(), "another run", 1))
    assert (recovered.verdict, recovered.secret) == (WriteVerdict.RESYNC, first), "the first one stays"
    await pool.execute(f"drop owned by {role}")
    await let_read(pool, role)
    assert await Record(as_role).state(state.directive.id) == state
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_role.execute("select * from directive_secrets")


async def test_a_secret_that_the_record_has_lost_is_renewed_once(pool: Database) -> None:
    """Without one a directive would be asked to go on, and dispatch nothing for ever."""
    state = directive_with().model_copy(update={"authenticated": True})
    ledger, lost = PostgresLedger(pool), new_secret()
    await ledger.record(snapshot(state, Facts(), "run", 1, lost))
    await pool.execute("delete from directive_secrets where directive_id = $1", state.directive.id)
    first = await ledger.record(snapshot(state, Facts(), "another run", 1))
    again = await ledger.record(snapshot(state, Facts(), "a third run", 1))
    assert first.secret and first.secret == again.secret != lost
    said = await pool.fetch("select what from events where directive_id = $1", state.directive.id)
    assert [each["what"] for each in said] == ["secret renewed"]


async def test_a_role_that_is_not_there_is_told(pool: Database) -> None:
    with pytest.raises(RecordError, match="does not exist"):
        await let_write(pool, "nobody; drop table events")
