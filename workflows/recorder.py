"""How a run tells the ledger what changed: beside the work, one write at a time, later changes gathered (DESIGN 3)."""

from __future__ import annotations

import asyncio
from typing import Protocol

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.ledger import LedgerActivities
    from domain import record
    from domain.models import State
    from domain.record import Changed, Verdict, WriteAnswer
    from workflows.options import RECORD_PROGRESS


class Recorded(Protocol):
    """What is recorded: a run of a directive."""

    state: State
    news: bool


class Recorder:
    """The writes of one run. Their key is (run id, sequence); its first one is a snapshot."""

    def __init__(self) -> None:
        self.planned = 0
        """The newest generation whose plan the ledger holds."""
        self._unwritten = Changed()
        self._dirty = True
        self._snapshot = True
        self._sequence = 0
        self._writer: asyncio.Task[None] | None = None

    def start(self, directive: Recorded) -> None:
        self._writer = asyncio.create_task(self._write_for_ever(directive))

    def remember(self, changed: Changed) -> None:
        """Gather what the next write has to tell."""
        if changed != Changed():
            self._unwritten += changed
            self._dirty = True

    async def finish(self) -> None:
        """Wait until all is written, and write no more."""
        await workflow.wait_condition(lambda: not self._dirty)
        if self._writer:
            self._writer.cancel()

    async def _write_for_ever(self, directive: Recorded) -> None:
        while True:
            await workflow.wait_condition(lambda: self._dirty)
            await self._write(directive)

    async def _write(self, directive: Recorded) -> None:
        changed, self._unwritten = self._unwritten, Changed()
        state = directive.state
        key = (workflow.info().run_id, self._sequence + 1)
        write = record.snapshot(state, changed.facts, *key) if self._snapshot else record.write(state, changed, *key)
        answer: WriteAnswer = await workflow.execute_activity_method(
            LedgerActivities.record_progress, write, **RECORD_PROGRESS
        )
        self._sequence = answer.sequence
        self._snapshot = answer.verdict is Verdict.RESYNC
        if self._snapshot:
            self._unwritten = changed + self._unwritten
        else:
            self.planned = max(self.planned, state.planned)
            directive.news = True
        self._dirty = self._snapshot or self._unwritten != Changed()
