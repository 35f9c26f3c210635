"""The event list as an outbox of notices: each event is told at least once, at most one notice a kind in its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from domain.errors import NoticeFailed
from domain.events import EventName
from domain.models import Proposal
from domain.notices import AT_MOST_EVERY, GATHERED, Happening, Notice, NoticeKind, notice
from ledger.pool import Database, Session, translated
from ledger.statements import DatabaseRow, model_of, statements

LOOK_EVERY = timedelta(seconds=2)


UNNAMED = ("command", "webhook")
"""The channels that there were before channels had names."""


async def begin(pool: Database, owner: str, channels: Mapping[str, Sequence[NoticeKind]]) -> None:
    """Ask for notices of these kinds at these channels from now on, the first time; later calls change nothing.
    NotReachable, RecordError.
    """
    sql = statements()
    with translated():
        async with pool.acquire() as session, session.transaction():
            for channel, kinds in channels.items():
                turns = {"owner": owner, "channel": channel, "kinds": [kind.value for kind in kinds]}
                await sql.know_notice_turns(session, **turns, inherits=channel in UNNAMED)
            await sql.end_unnamed_turns(session, owner=owner)


class Outbox:
    """What an owner is still to be told of at one channel; any number of workers may empty it together.

    `most`: how many characters a notice may have there; what doesn't fit follows in the next one. `linked` gives what
    can be answered its link.
    """

    def __init__(
        self,
        pool: Database,
        owner: str,
        channel: str,
        kinds: Sequence[NoticeKind] = tuple(NoticeKind),
        most: int | None = None,
        at_most_every: timedelta = AT_MOST_EVERY,
        linked: Callable[[Happening], Happening] = lambda happening: happening,
    ) -> None:
        self._pool = pool
        self._owner = owner
        self._channel = channel
        self._kinds = kinds
        self._most = most
        self._at_most_every = at_most_every
        self._linked = linked
        self._sql = statements()
        self._unwritten: dict[NoticeKind, list[int]] = {}
        """What was sent, where the note of it was lost with the connection."""

    async def empty(self, send: Callable[[Notice], Awaitable[None]]) -> None:
        """Hand everything that is due to `send`; where it raises NoticeFailed the notice stays in the box, the other
        kinds are sent, and then the error is raised. NotReachable, RecordError.

        A worker that dies after `send` and before the note of it is followed by one that sends once more.
        """
        failed: list[NoticeFailed] = []
        for kind in self._kinds:
            try:
                await self._empty_of(kind, send)
            except NoticeFailed as failure:
                failed.append(failure)
        if failed:
            raise failed[0]

    async def _empty_of(self, kind: NoticeKind, send: Callable[[Notice], Awaitable[None]]) -> None:
        turn = {"owner": self._owner, "channel": self._channel, "kind": kind.value}
        with translated():
            async with self._pool.acquire() as session, session.transaction():
                due = await self._sql.lock_notice_turn(session, **turn, at_most_every=self._at_most_every)
                if due is None:
                    return
                # Inside of the transaction: its lock keeps other workers from sending the same.
                await self._send_unsent(session, kind, due["since"], send)
                if told := self._unwritten.get(kind):
                    await self._sql.note_told(session, channel=self._channel, numbers=told)
                    await self._sql.note_sent(session, **turn)
        self._unwritten.pop(kind, None)

    async def _send_unsent(
        self, session: Session, kind: NoticeKind, since: datetime, send: Callable[[Notice], Awaitable[None]]
    ) -> None:
        wanted = {"owner": self._owner, "channel": self._channel, "events": list(kind.events), "since": since}
        told = self._unwritten.get(kind, [])
        named = {"asked": EventName.QUESTION_ASKED, "proposed": EventName.PLAN_PROPOSED}
        rows = self._sql.unsent(session, **wanted, **named, most=GATHERED + len(told))
        found = [self._linked(_happening(row)) async for row in rows if row["number"] not in told]
        if found:
            made = notice(kind, self._owner, found, self._most)
            await send(made)
            self._unwritten[kind] = [*told, *(each.number for each in made.happenings)]


def _happening(row: DatabaseRow) -> Happening:
    plan = Proposal.model_validate(row["proposal"]).identity if row["proposal"] else None
    return model_of(Happening, {**row, "plan": plan})


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
