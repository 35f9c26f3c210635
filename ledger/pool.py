"""Connections to Postgres, and the one place where the driver's errors become ours."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from asyncpg.connection import LoggedQuery
from asyncpg.pool import PoolConnectionProxy
from pydantic_core import from_json

from domain.errors import NotReachable, RecordError, SettingsError

Database: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Session: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

STATEMENTS = 100
"""Prepared statements that a session keeps; the driver's own default."""
CONNECT_WITHIN = 10.0
"""Seconds."""

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    # A deadlock, or a read that a standby gave up for what it had to replay.
    asyncpg.TransactionRollbackError,
    # The driver's own word for a session that was ended while it still settled the statement before.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""Nothing is wrong with the statement: the same one succeeds once Postgres is back."""

_READ_ONLY = "Postgres refuses to write: it is a standby, or set to read only; a fresh session asks again"

_NOT_PREPARED = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""A session that is another server's from statement to statement: a pooler has come between."""

_TURNED_AWAY = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""Postgres answers, but not to this user or for this database."""


async def open_pool(dsn: str, size: int = 10) -> Database:
    """A pool of at most `size` connections that hold JSON as Python values; the caller closes it.

    A session that refuses to write (of a standby, or of a Postgres that was set to read only) is given up with all
    others, so that the next statement finds out anew where the record may be written. Behind a pooler such as PgBouncer
    no statement is prepared ahead: in its transaction mode the next one may run on another server's connection; one
    that comes between later is noticed by the first statement that it loses.

    Raises NotReachable if no Postgres answers there, SettingsError if it turns this user or database away.
    """

    sessions: dict[str, Any] = {"timeout": CONNECT_WITHIN, "command_timeout": 60, "statement_cache_size": STATEMENTS}

    async def init(session: Session) -> None:
        await _prepare(session, look)

    async def look(query: LoggedQuery) -> None:
        if isinstance(query.exception, _NOT_PREPARED):
            pool.set_connect_args(dsn, **{**sessions, "statement_cache_size": 0})
        if isinstance(query.exception, (asyncpg.ReadOnlySQLTransactionError, *_NOT_PREPARED)):
            await pool.expire_connections()

    try:
        if await _is_behind_a_pooler(dsn):
            sessions["statement_cache_size"] = 0
        pool: Database = asyncpg.create_pool(dsn, min_size=1, max_size=size, init=init, reset=_nothing, **sessions)
        await pool
    except _TURNED_AWAY as error:
        raise SettingsError(f"Postgres at {place(dsn)} refuses: {error}; check MAKIMA_DATABASE_URL") from error
    except ValueError as error:
        raise SettingsError("MAKIMA_DATABASE_URL is not of the form postgresql://user:password@host/name") from error
    except _LOST as error:
        raise NotReachable(f"Postgres at {place(dsn)} does not answer: start it or set MAKIMA_DATABASE_URL") from error
    return pool


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the driver as ours: NotReachable is worth another try, RecordError is a fault of the code's."""
    try:
        yield
    except _LOST as error:
        raise NotReachable(f"Postgres does not answer: {one_line(error)}") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        raise NotReachable(_READ_ONLY) from error
    except _NOT_PREPARED as error:
        raise NotReachable("a pooler has come between us and Postgres: fresh sessions prepare no statements") from error
    except asyncpg.InvalidCachedStatementError as error:
        # Where it stands in a transaction the driver can't prepare it anew by itself.
        raise NotReachable("the record's tables have just been changed: try again") from error
    except asyncpg.PostgresError as error:
        constraint = getattr(error, "constraint_name", None)
        where = f" ({constraint})" if constraint else ""
        raise RecordError(f"Postgres refused a statement{where}: {one_line(error)}") from error


@asynccontextmanager
async def turn(session: Session, directive: UUID) -> AsyncIterator[None]:
    """A transaction in which nobody else writes to the directive. Its begin and the lock, which makes writers take
    turns also before there is a row, are one round trip. What is read then is read in a statement of its own: one that
    has waited for a lock still sees the time before it.
    """
    try:
        await session.execute(f"begin; select pg_advisory_xact_lock(hashtextextended('{directive}', 0))")
        yield
        await session.execute("commit")
    except BaseException:
        if not session.is_closed():
            await session.execute("rollback")
        raise


@contextmanager
def reading() -> Iterator[None]:
    """`translated` for what the operator's commands read; NotReachable where the tables are not those of this version.
    Only a worker brings them up to date, and there the same error is a broken migration.
    """
    try:
        with translated():
            yield
    except RecordError as error:
        if not isinstance(error.__cause__, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
            raise
        what = one_line(error.__cause__)
        raise NotReachable(
            f"the record has no tables yet for this version ({what}): start this version's worker.py, which makes them"
        ) from error


def storable(text: str) -> str:
    """`text` without NUL, which agents print and Postgres cannot hold."""
    return text.replace("\0", _NO_CHARACTER)


def place(dsn: str) -> str:
    """Where a connection string points, without its password; it may name several hosts."""
    hosts = urlsplit(dsn).netloc.rpartition("@")[2] or "localhost"
    return ",".join(host if re.search(r":\d+$", host) else f"{host}:5432" for host in hosts.split(","))


def one_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


async def check_writable(pool: Database) -> None:
    """Raises NotReachable unless Postgres answers and takes changes; sessions that don't are given up."""
    with translated():
        if await pool.fetchval("select current_setting('transaction_read_only')") == "off":
            return
        await pool.expire_connections()
    raise NotReachable(_READ_ONLY)


async def _is_behind_a_pooler(dsn: str) -> bool:
    """A pooler answers for its server, under a process id of its own making."""
    session = await asyncpg.connect(dsn, timeout=CONNECT_WITHIN, statement_cache_size=0)
    try:
        return bool(await session.fetchval("select pg_backend_pid()") != session.get_server_pid())
    finally:
        await session.close(timeout=CONNECT_WITHIN)


async def _nothing(_: Session) -> None:
    """In place of the driver's statement after each use: nothing here outlives its transaction, no setting and no lock.
    An open transaction the driver ends all the same.
    """


async def _prepare(connection: Session, look: Callable[[LoggedQuery], Awaitable[None]]) -> None:
    """`look` is told of every statement and its end."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=encoded, decoder=from_json)
    connection.add_query_logger(look)


def encoded(value: Any) -> str:
    """`value` as JSON that Postgres can hold: without NUL."""
    text = json.dumps(value)
    if "\\u0000" not in text:  # Nearly always: the pattern takes ten times as long as all the rest.
        return text
    # An even number of backslashes before it means that this is the character, not a text that spells it.
    return _ESCAPED_NUL.sub(rf"\1{_NO_CHARACTER}", text)
