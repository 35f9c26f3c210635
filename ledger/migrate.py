"""Bring a database's schema to where the code is: plain SQL files, each applied once, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from domain.errors import SchemaMismatch
from ledger.pool import Database, Session, translated
from ledger.statements import statements


@dataclass(frozen=True)
class Migration:
    """One file of ledger/migrations."""

    name: str
    """`0001_record`: its order and its identity."""
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The migrations of `folder` (the code's own, if none is named) in the order in which they apply."""
    entries = (folder or files("ledger") / "migrations").iterdir()
    found = [
        Migration(entry.name.removesuffix(".sql"), entry.read_text("utf-8"))
        for entry in entries
        if entry.name.endswith(".sql")
    ]
    return tuple(sorted(found, key=lambda migration: migration.name))


async def migrate(pool: Database, migrations: Sequence[Migration] | None = None) -> tuple[str, ...]:
    """Apply what the database lacks and return its names; any number of processes may call this at once.

    Each migration is one transaction. Raises SchemaMismatch if the database was brought up by other migrations than
    these, NotReachable, or RecordError if a migration fails: those before it stay.
    """
    wanted = shipped() if migrations is None else migrations
    applied: list[str] = []
    with translated():
        async with pool.acquire() as session:
            while name := await _apply_next(session, wanted):
                applied.append(name)
    return tuple(applied)


def missing(migrations: Sequence[Migration], applied: dict[str, str]) -> tuple[Migration, ...]:
    """The migrations that are not in `applied` (name → checksum) yet; SchemaMismatch if the two don't fit."""
    known = {migration.name: migration for migration in migrations}
    for name, checksum in applied.items():
        if name not in known:
            raise SchemaMismatch(f"The database is newer than this Makima (it has migration {name}): upgrade Makima")
        if known[name].checksum != checksum:
            raise SchemaMismatch(f"Migration {name} was changed after it was applied: add a new one instead")
    left = tuple(migration for migration in migrations if migration.name not in applied)
    if left and applied and left[0].name < max(applied):
        raise SchemaMismatch(
            f"Migration {left[0].name} comes before {max(applied)}, which was applied: number it later"
        )
    return left


async def _apply_next(session: Session, migrations: Sequence[Migration]) -> str | None:
    """One transaction, whose lock another process waits for: a pooler gives each transaction another session."""
    sql = statements()
    async with session.transaction():
        await sql.lock_migrations(session)
        if not await sql.migrations_prepared(session):
            await sql.prepare_migrations(session)
        applied = {row["name"]: row["checksum"] async for row in sql.applied_migrations(session)}
        left = missing(migrations, applied)
        if not left:
            return None
        await session.execute(left[0].sql)
        await sql.remember_migration(session, name=left[0].name, checksum=left[0].checksum)
    return left[0].name
