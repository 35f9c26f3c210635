"""How a run tells the ledger what changed: beside the work, one write at a time, later changes gathered (design 3)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import SecretStr

    from activities.ledger import LedgerActivities
    from domain import record
    from domain.models import State
    from domain.record import Changed, Facts, ProgressWrite, WriteAnswer, WriteVerdict
    from workflows.options import (
        BETWEEN_WRITES,
        LONGEST_BETWEEN_WRITES,
        RECORD_PROGRESS,
        RECORD_WITHIN_TASK,
        WRITES_SHARE,
    )
    from workflows.patches import Patch, patched


class Recorded(Protocol):
    """What is recorded: a run of a directive."""

    state: State
    secret: SecretStr
    news: bool

    def waits_for_record(self) -> bool:
        """It ends, or goes on in a new run, as soon as all is recorded."""
        ...


@dataclass(frozen=True)
class _Gathered:
    """One write, and what is to be done once it is answered."""

    write: ProgressWrite
    changed: Changed
    left: Facts
    planned: int


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
        self._window = BETWEEN_WRITES
        self._next_write = self._ride_from = workflow.now()
        self._awaited: object = None
        """What the last write held of that which goes at once."""
        self._rides = False
        self._stays_within = False
        self._gathering = False
        self._going_along: _Gathered | None = None
        """What the present workflow task is to write."""
        self._changed_at = 0
        """The history's length in the workflow task that brought the last change."""
        self._writing = False
        self._finishing = False
        self._writer: asyncio.Task[None] | None = None

    def start(self, directive: Recorded) -> None:
        """Write from now on, in the background."""
        self._rides = patched(Patch.WRITES_RIDE_ALONG)
        self._stays_within = patched(Patch.WRITES_WITHIN_TASKS)
        self._awaited = None if self._snapshot else _at_once(directive.state)
        self._writer = asyncio.create_task(self._write_for_ever(directive))
        loop = asyncio.get_running_loop()

        def note_reset(_: int) -> None:
            loop.call_soon(self._note_reset)

        # A reset run that only waits has nothing to tell; without this the record would go on showing the dead run.
        workflow.register_random_seed_callback(note_reset)

    def remember(self, directive: Recorded, changed: Changed) -> None:
        """Gather what the next write has to tell, before the change is made: what was there may be written now."""
        if self._may_go_along():
            self._going_along = self._gathered(directive)
        if changed != Changed():
            self._unwritten.append(changed)
            self._dirty = True
            self._changed_at = workflow.info().get_current_history_length()

    def _may_go_along(self) -> bool:
        """The present workflow task may write what those before it have brought.

        What it brings itself is not told yet: a task that is lost is tried again, with other times and perhaps with
        other news beside them, and the record would keep events that never happened.
        """
        if not (self._gathering and self._stays_within) or self._snapshot or self._was_reset or self._going_along:
            return False
        is_older = workflow.info().get_current_history_length() > self._changed_at
        return is_older and workflow.now() >= self._ride_from

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
            if self._going_along:
                await self._write_within_task(directive, self._going_along)
            else:
                await self._write(directive)
            self._writing = False

    async def _gather(self, directive: Recorded) -> None:
        """Let what follows quickly share a write, unless somebody waits for it.

        A write's answer is a workflow task of its own: with one for every step of a fast chain, hops were a quarter
        longer (docs/benchmarks.md). A change by itself is written at once, without a timer. In the second half of its
        window a write goes within the next workflow task that happens anyway; the timer is for when there is none.
        """
        pause = self._next_write - workflow.now()
        if pause > timedelta(0) and not self._is_awaited(directive):
            self._gathering = True
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: bool(self._going_along) or self._is_awaited(directive) or self._may_ride(directive),
                    timeout=pause,
                    timeout_summary="gather changes",
                )
            self._gathering = False

    def _is_awaited(self, directive: Recorded) -> bool:
        if self._finishing or directive.state.planned > self.planned:
            return True
        if not self._rides or directive.news:
            return False
        return self._was_reset or _at_once(directive.state) != self._awaited

    def _may_ride(self, directive: Recorded) -> bool:
        """Runs from before have written by an activity in the second half of a window, too."""
        return self._rides and not self._stays_within and not directive.news and workflow.now() >= self._ride_from

    async def _write(self, directive: Recorded) -> None:
        """Beside the work, for as long as it takes."""
        if self._was_reset:
            self._was_reset, self._snapshot = False, True
        gathered, begun = self._gathered(directive), workflow.now()
        answer: WriteAnswer = await workflow.execute_activity_method(
            LedgerActivities.record_progress, gathered.write, **RECORD_PROGRESS
        )
        if self._rides:
            took = workflow.now() - begun  # long under load, where writes are rarer: a directive's time is its steps'
            self._window = min(max(BETWEEN_WRITES, took * WRITES_SHARE), LONGEST_BETWEEN_WRITES)
        self._take_answer(directive, gathered, answer)

    async def _write_within_task(self, directive: Recorded, gathered: _Gathered) -> None:
        """As a local activity, which costs no workflow task; the steps that the task begins wait for it, so it is tried
        once, for a short time. What fails, or may have failed, is written beside the work.
        """
        try:
            answer: WriteAnswer = await workflow.execute_local_activity_method(
                LedgerActivities.record_progress, gathered.write, **RECORD_WITHIN_TASK
            )
        except FailureError:  # a local activity fails as what it has raised, not by an ActivityError
            self._unwritten.insert(0, gathered.changed)
            self._dirty, self._awaited, self._next_write = True, None, workflow.now()
        else:
            self._take_answer(directive, gathered, answer)
        finally:
            self._going_along = None

    def _gathered(self, directive: Recorded) -> _Gathered:
        """What is to be written now; from here on later changes are gathered."""
        state, changed = directive.state, Changed.joined(self._unwritten)
        self._unwritten, self._dirty = [], False
        self._awaited = _at_once(state)
        write, left = record.fitted(self._made(directive, changed))
        return _Gathered(write, changed, left, state.planned)

    def _take_answer(self, directive: Recorded, gathered: _Gathered, answer: WriteAnswer) -> None:
        if answer.secret and not directive.secret:
            directive.secret, directive.news = answer.secret, True
        self.sequence = answer.sequence
        self._ride_from, self._next_write = workflow.now() + self._window / 2, workflow.now() + self._window
        self._snapshot = self._builds_on_nothing(answer)
        if self._snapshot:
            self._unwritten.insert(0, gathered.changed)
            self._dirty, self._awaited = True, None
        else:
            self._put_back(gathered.left)
            self._awaited = self._awaited if gathered.left == Facts() else None
            # Nothing follows from most answers: deciding and publishing again is as long as folding an outcome in.
            follows = gathered.planned > self.planned or directive.waits_for_record()
            self.planned = max(self.planned, gathered.planned)
            directive.news = directive.news or follows or not self._rides

    def _builds_on_nothing(self, answer: WriteAnswer) -> bool:
        """The next write has to tell all. Also where the record holds a write of this number: a workflow task that was
        lost may have made it, and have told less by it.
        """
        if self._stays_within and answer.verdict is WriteVerdict.IGNORED:
            return True
        return answer.verdict is WriteVerdict.RESYNC

    def _made(self, directive: Recorded, changed: Changed) -> ProgressWrite:
        state, key = directive.state, (workflow.info().run_id, self.sequence + 1)
        if self._snapshot:
            return record.snapshot(state, changed.facts, *key, secret=directive.secret)
        return record.write(state, changed, *key)


def _at_once(state: State) -> object:
    """What an operator's command waits for, and what people act on: another value is written at once."""
    resting = state.status if state.status.rests else None
    return (state.planned, resting, state.proposal, state.questions, next(reversed(state.answered), None))
