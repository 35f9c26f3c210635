"""Connections to Postgres, and the one place where the driver's errors become ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from domain.errors import NotReachable, RecordError, SettingsError

Database: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Session: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""Nothing is wrong with the statement: the same one succeeds once Postgres is back."""

_TURNED_AWAY = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""Postgres answers, but not to this user or for this database."""


async def open_pool(dsn: str, size: int = 10) -> Database:
    """A pool of at most `size` connections that hold JSON as Python values; the caller closes it.

    Raises NotReachable if no Postgres answers there, SettingsError if it turns this user or database away.
    """
    try:
        return await asyncpg.create_pool(dsn, min_size=1, max_size=size, init=_prepare, timeout=10, command_timeout=60)
    except _TURNED_AWAY as error:
        raise SettingsError(f"Postgres at {place(dsn)} refuses: {error}; check MAKIMA_DATABASE_URL") from error
    except ValueError as error:
        raise SettingsError("MAKIMA_DATABASE_URL is not of the form postgresql://user:password@host/name") from error
    except _LOST as error:
        raise NotReachable(f"Postgres at {place(dsn)} does not answer: start it or set MAKIMA_DATABASE_URL") from error


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the driver as ours: NotReachable is worth another try, RecordError is a fault of the code's."""
    try:
        yield
    except _LOST as error:
        raise NotReachable(f"Postgres does not answer: {one_line(error)}") from error
    except asyncpg.InvalidCachedStatementError as error:
        # Where it stands in a transaction the driver can't prepare it anew by itself.
        raise NotReachable("the record's tables have just been changed: try again") from error
    except asyncpg.UndefinedTableError as error:
        raise NotReachable("the record has no tables yet: worker.py makes them at its start; is it running?") from error
    except asyncpg.PostgresError as error:
        constraint = getattr(error, "constraint_name", None)
        where = f" ({constraint})" if constraint else ""
        raise RecordError(f"Postgres refused a statement{where}: {one_line(error)}") from error


def storable(text: str) -> str:
    """`text` without NUL, which agents print and Postgres cannot hold."""
    return text.replace("\0", _NO_CHARACTER)


def place(dsn: str) -> str:
    """Where a connection string points, without its password."""
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}"


def one_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


async def _prepare(connection: Session) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=encoded, decoder=json.loads)


def encoded(value: Any) -> str:
    """`value` as JSON that Postgres can hold: without NUL."""
    text = json.dumps(value)
    if "\\u0000" not in text:  # Nearly always: the pattern takes ten times as long as all the rest.
        return text
    # An even number of backslashes before it means that this is the character, not a text that spells it.
    return _ESCAPED_NUL.sub(rf"\1{_NO_CHARACTER}", text)
