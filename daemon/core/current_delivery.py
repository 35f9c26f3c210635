"""The delivery that an attempt's work knows, whichever one holds the attempt now (docs/decisions/0022)."""

from __future__ import annotations

import asyncio

from domain.errors import NotReachable
from domain.models import Question
from domain.progress import Progress
from domain.spawn_task import Delivery, Outcome


class CurrentDelivery:
    """Named like the attempt's first delivery on this machine, since folder, log and checkpoints bear that name; it
    speaks to the server through its holder: the delivery that the attempt belongs to now.
    """

    def __init__(self, first: Delivery) -> None:
        self.name, self.run, self.used_before = first.name, first.run, first.used_before
        self.holder: Delivery | None = first
        """None: the server has lost the last one, and its successor has not come."""
        self.passed_on = asyncio.Event()
        """Set once the holder is another one than it was; each holder has an event of its own."""
        self._is_held = asyncio.Event()
        self._is_held.set()

    def pass_to(self, holder: Delivery | None) -> None:
        self.holder = holder
        if holder:
            self._is_held.set()
        else:
            self._is_held.clear()
        self.passed_on.set()
        self.passed_on = asyncio.Event()

    def beat(self, progress: Progress) -> None:
        if self.holder:
            self.holder.beat(progress)

    async def started(self, delivery: str) -> None:
        await self._reachable().started(delivery)

    async def ask(self, question: Question) -> None:
        await self._reachable().ask(question)

    async def answers(self) -> tuple[Question, ...]:
        return await self._reachable().answers()

    def leaves(self, outcome: Outcome) -> None:
        if self.holder:
            self.holder.leaves(outcome)

    async def confirm(self) -> None:
        """Waits while nobody holds the attempt: whoever ends the wait for a successor cancels the work."""
        while (holder := self.holder) is None:
            await self._is_held.wait()
        await holder.confirm()

    def _reachable(self) -> Delivery:
        if self.holder is None:
            raise NotReachable("the server has lost this delivery, and the next one has not come yet")
        return self.holder
