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
    with translated():
        async with pool.acquire() as session:
            await statements().lock_migrations(session)
            try:
                return await _catch_up(session, shipped() if migrations is None else migrations)
            finally:
                await statements().unlock_migrations(session)


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


async def _catch_up(session: Session, migrations: Sequence[Migration]) -> tuple[str, ...]:
    sql = statements()
    if not await sql.migrations_prepared(session):
        await sql.prepare_migrations(session)
    applied = {row["name"]: row["checksum"] async for row in sql.applied_migrations(session)}
    left = missing(migrations, applied)
    for migration in left:
        async with session.transaction():
            await session.execute(migration.sql)
            await sql.remember_migration(session, name=migration.name, checksum=migration.checksum)
    return tuple(migration.name for migration in left)
