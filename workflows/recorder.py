"""How a run tells the ledger what changed: beside the work, one write at a time, later changes gathered (design 3)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import SecretStr

    from activities.ledger import LedgerActivities
    from domain import record
    from domain.models import State
    from domain.record import Changed, Facts, ProgressWrite, WriteAnswer, WriteVerdict
    from workflows.options import BETWEEN_WRITES, LONGEST_BETWEEN_WRITES, RECORD_PROGRESS, WRITES_SHARE


class Recorded(Protocol):
    """What is recorded: a run of a directive."""

    state: State
    secret: SecretStr
    news: bool

    def waits_for_record(self) -> bool:
        """It ends, or goes on in a new run, as soon as all is recorded."""
        ...


class Recorder:
    """The writes of one run; what they build on is docs/decisions/0003-resync.md."""

    def __init__(self, sequence: int, planned: int) -> None:
        """`sequence`: the last write of the run before, 0 where this run has to introduce itself by a snapshot."""
        self.planned = planned
        """The newest generation whose plan the ledger holds."""
        self.sequence = sequence
        self._unwritten: list[Changed] = []
        self._snapshot = sequence == 0
        self._dirty = self._snapshot
        self._was_reset = False
        self._next_write = self._ride_from = workflow.now()
        self._awaited: object = None
        """What the last write held of that which goes at once."""
        self._rides = False
        self._writing = False
        self._finishing = False
        self._writer: asyncio.Task[None] | None = None

    def start(self, directive: Recorded) -> None:
        """Write from now on, in the background."""
        self._rides = workflow.patched("writes ride along")
        self._awaited = None if self._snapshot else _at_once(directive.state)
        self._writer = asyncio.create_task(self._write_for_ever(directive))
        loop = asyncio.get_running_loop()

        def note_reset(_: int) -> None:
            loop.call_soon(self._note_reset)

        # A reset run that only waits has nothing to tell; without this the record would go on showing the dead run.
        workflow.register_random_seed_callback(note_reset)

    def remember(self, changed: Changed) -> None:
        """Gather what the next write has to tell."""
        if changed != Changed():
            self._unwritten.append(changed)
            self._dirty = True

    def _put_back(self, facts: Facts) -> None:
        """What did not fit into a write, before all that has happened since."""
        if facts != Facts():
            self._unwritten.insert(0, Changed(facts=facts))
            self._dirty = True

    @property
    def is_written(self) -> bool:
        """The ledger holds everything that has happened."""
        return not (self._has_news or self._writing)

    @property
    def _has_news(self) -> bool:
        return self._dirty or self._was_reset

    @property
    def has_failed(self) -> bool:
        """Nothing is written any more: a defect of ours, or an answer that this version can't read."""
        return bool(self._writer and self._writer.done() and not self._writer.cancelled())

    def check(self) -> None:
        """Raise what has ended the writing. It fails the workflow task, which people are told of and which is tried
        again, as a new version may read what this one can't: never the directive, as an error of Temporal's own would.
        """
        if self._writer and self.has_failed:
            raise RuntimeError("the record is not written any more") from self._writer.exception()

    async def finish(self) -> None:
        """Wait until all is written, and write no more; a Cancel must not cut this short."""
        self._finishing = True
        while not self.is_written:
            self.check()
            try:
                await workflow.wait_condition(lambda: self.is_written or self.has_failed)
            except asyncio.CancelledError:
                continue
        if self._writer:
            self._writer.cancel()

    def _note_reset(self) -> None:
        self._was_reset = True

    async def _write_for_ever(self, directive: Recorded) -> None:
        """Only when the rules have come to rest, so that an outcome and what follows from it are one write."""
        while True:
            await workflow.wait_condition(lambda: self._has_news and (self._finishing or not directive.news))
            self._writing = True
            await self._gather(directive)
            await self._write(directive)
            self._writing = False

    async def _gather(self, directive: Recorded) -> None:
        """Let what follows quickly share a write, unless somebody waits for it.

        A write's answer is a workflow task of its own: with one for every step of a fast chain, hops were a quarter
        longer (docs/benchmarks.md). A change by itself is written at once, without a timer. In the second half of its
        window a write goes with the next workflow task that happens anyway; the timer is for when there is none.
        """
        pause = self._next_write - workflow.now()
        if pause > timedelta(0) and not self._is_awaited(directive):
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._is_awaited(directive) or self._may_ride(directive),
                    timeout=pause,
                    timeout_summary="gather changes",
                )

    def _is_awaited(self, directive: Recorded) -> bool:
        if self._finishing or directive.state.planned > self.planned:
            return True
        if not self._rides or directive.news:
            return False
        return self._was_reset or _at_once(directive.state) != self._awaited

    def _may_ride(self, directive: Recorded) -> bool:
        return self._rides and not directive.news and workflow.now() >= self._ride_from

    async def _write(self, directive: Recorded) -> None:
        if self._was_reset:
            self._was_reset, self._snapshot = False, True
        changed, self._unwritten, self._dirty = Changed.joined(self._unwritten), [], False
        planned, self._awaited, begun = directive.state.planned, _at_once(directive.state), workflow.now()
        write, left = record.fitted(self._made(directive, changed))
        answer: WriteAnswer = await workflow.execute_activity_method(
            LedgerActivities.record_progress, write, **RECORD_PROGRESS
        )
        if answer.secret and not directive.secret:
            directive.secret, directive.news = answer.secret, True
        self.sequence = answer.sequence
        self._open_window(begun)
        self._snapshot = answer.verdict is WriteVerdict.RESYNC
        if self._snapshot:
            self._unwritten.insert(0, changed)
            self._dirty, self._awaited = True, None
        else:
            self._put_back(left)
            self._awaited = self._awaited if left == Facts() else None
            # Nothing follows from most answers: deciding and publishing again is as long as folding an outcome in.
            follows = planned > self.planned or directive.waits_for_record()
            self.planned = max(self.planned, planned)
            directive.news = directive.news or follows or not self._rides

    def _open_window(self, begun: datetime) -> None:
        """Under load, where a write takes long, they are rarer: most of a directive's time is its steps'."""
        now = workflow.now()
        window = BETWEEN_WRITES
        if self._rides:
            window = min(max(window, (now - begun) * WRITES_SHARE), LONGEST_BETWEEN_WRITES)
        self._ride_from, self._next_write = now + window / 2, now + window

    def _made(self, directive: Recorded, changed: Changed) -> ProgressWrite:
        state, key = directive.state, (workflow.info().run_id, self.sequence + 1)
        if self._snapshot:
            return record.snapshot(state, changed.facts, *key, secret=directive.secret)
        return record.write(state, changed, *key)


def _at_once(state: State) -> object:
    """What an operator's command waits for, and what people act on: another value is written at once."""
    resting = state.status if state.status.rests else None
    return (state.planned, resting, state.proposal, state.questions, next(reversed(state.answered), None))
