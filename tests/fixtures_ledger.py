"""Databases for the tests of the record: each test gets one of its own, cloned from a migrated template."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest_asyncio

from ledger.migrate import migrate
from ledger.pool import Database, open_pool
from ledger.reader import Record
from ledger.writer import PostgresLedger


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_template(postgres_server: str) -> AsyncIterator[str]:
    """The name of a database that holds the schema and nothing else."""
    async with new_database(postgres_server) as dsn:
        async with await open_pool(dsn) as pool:
            await migrate(pool)
        yield database_name(dsn)


@pytest_asyncio.fixture
async def database(postgres_server: str, migrated_template: str) -> AsyncIterator[str]:
    """The URL of a database with the schema and nothing in it."""
    async with new_database(postgres_server, migrated_template) as dsn:
        yield dsn


@pytest_asyncio.fixture
async def empty_database(postgres_server: str) -> AsyncIterator[str]:
    """The URL of a database without any table."""
    async with new_database(postgres_server) as dsn:
        yield dsn


@pytest_asyncio.fixture
async def pool(database: str) -> AsyncIterator[Database]:
    async with await open_pool(database) as opened:
        yield opened


@pytest_asyncio.fixture
async def ledger(pool: Database) -> PostgresLedger:
    return PostgresLedger(pool)


@pytest_asyncio.fixture
async def record(pool: Database) -> Record:
    return Record(pool)


@asynccontextmanager
async def new_database(server: str, template: str = "template1") -> AsyncIterator[str]:
    """The URL of a database that lives as long as the context."""
    name = f"test_{uuid4().hex}"
    await administer(server, f"create database {name} template {template} strategy file_copy")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with suppress(asyncpg.ObjectInUseError, TimeoutError):  # the server ends with the run, and this with it
            await administer(server, f"drop database {name} with (force)")


async def administer(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def database_name(dsn: str) -> str:
    return urlsplit(dsn).path.removeprefix("/")
