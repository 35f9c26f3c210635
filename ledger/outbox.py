"""The event list as an outbox of notices: each event is told at least once, at most one notice a kind in its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime, timedelta

from domain.errors import NoticeFailed
from domain.notices import AT_MOST_EVERY, GATHERED, Happening, Notice, NoticeKind, notice
from ledger.pool import Database, Session, translated
from ledger.rows import model_of
from ledger.statements import statements

LOOK_EVERY = timedelta(seconds=2)


class Outbox:
    """What an owner is still to be told of; any number of workers may empty it together."""

    def __init__(self, pool: Database, owner: str, at_most_every: timedelta = AT_MOST_EVERY) -> None:
        self._pool = pool
        self._owner = owner
        self._at_most_every = at_most_every
        self._sql = statements()

    async def open(self) -> None:
        """Ask for notices from now on, the first time; later calls change nothing. NotReachable, RecordError."""
        with translated():
            await self._sql.know_notice_kinds(self._pool, owner=self._owner, kinds=[kind.value for kind in NoticeKind])

    async def empty(self, send: Callable[[Notice], Awaitable[None]]) -> None:
        """Hand everything that is due to `send`; where it raises NoticeFailed the notice stays in the box, the other
        kinds are sent, and then the error is raised. NotReachable, RecordError.

        A worker that dies after `send` and before the note of it sends once more.
        """
        failed: list[NoticeFailed] = []
        for kind in NoticeKind:
            try:
                await self._empty_of(kind, send)
            except NoticeFailed as failure:
                failed.append(failure)
        if failed:
            raise failed[0]

    async def _empty_of(self, kind: NoticeKind, send: Callable[[Notice], Awaitable[None]]) -> None:
        owned = {"owner": self._owner, "kind": kind.value}
        with translated():
            async with self._pool.acquire() as session, session.transaction():
                due = await self._sql.lock_notice_kind(session, **owned, at_most_every=self._at_most_every)
                happenings = await self._unnoticed(session, kind, due["since"]) if due else []
                if happenings:
                    # Inside of the transaction: its lock keeps other workers from sending the same.
                    await send(notice(kind, self._owner, happenings))
                    await self._sql.note_noticed(session, numbers=[each.number for each in happenings])
                    await self._sql.note_sent(session, **owned)

    async def _unnoticed(self, session: Session, kind: NoticeKind, since: datetime) -> list[Happening]:
        wanted = {"owner": self._owner, "events": list(kind.events), "since": since, "most": GATHERED}
        return [model_of(Happening, row) async for row in self._sql.unnoticed(session, **wanted)]


async def follow(pool: Database, owner: str) -> AsyncGenerator[Notice, None]:
    """What happens from now on, for ever, for somebody who watches; NotReachable, RecordError."""
    sql = statements()
    with translated():
        began: datetime = await sql.database_time(pool)
    told: set[int] = set()
    while True:
        for kind in NoticeKind:
            with translated():
                rows = sql.happened(pool, owner=owner, events=list(kind.events), since=began, told=list(told))
                found = [model_of(Happening, row) async for row in rows]
            told.update(each.number for each in found)
            if found:
                yield notice(kind, owner, found)
        await asyncio.sleep(LOOK_EVERY.total_seconds())
