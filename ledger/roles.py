"""Roles of Postgres that can do what a process of ours needs, and nothing else (docs/security.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ledger.pool import Database, translated
from ledger.statements import statements

_Grant = Callable[..., Awaitable[Any]]


async def let_write(pool: Database, role: str) -> None:
    """Give `role`, which exists, what worker.py needs; again after each migration. RecordError where it doesn't exist,
    or the pool's own role may not give it.
    """
    await _grant(pool, role, statements().let_write)


async def let_read(pool: Database, role: str) -> None:
    """The same for what starter.py needs: reading."""
    await _grant(pool, role, statements().let_read)


async def _grant(pool: Database, role: str, grant: _Grant) -> None:
    with translated():
        async with pool.acquire() as session, session.transaction():
            await statements().name_role(session, role=role)
            await grant(session)
