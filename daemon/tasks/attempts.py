"""The attempts whose work runs on this machine. Deliveries of one attempt follow each other: the work outlives a
delivery that the server has only lost, and belongs to the next one (rule 5.4, docs/decisions/0022).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from daemon.core.current_delivery import CurrentDelivery
from domain.errors import AttemptGone, HandedBack
from domain.spawn_task import LosableDelivery, Outcome, SpawnTask

FINISHING = 8.0
"""Seconds that work which is only being published gets when the daemon stops: part of STOP_WITHIN."""
STOP_WITHIN = 30.0
"""Seconds from SIGTERM to the daemon's end: its agents' (twice the keeper's grace) and their last checkpoints'."""
LOOK_EVERY = 1.0
"""Seconds between two questions to the server whether a lost delivery still has a successor."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AttemptWork:
    """What an attempt does here, not started yet."""

    outcome: Coroutine[Any, Any, Outcome]
    is_finishing: Callable[[], bool]
    """Whether it is only being published."""


Begin = Callable[[CurrentDelivery], AttemptWork]


class Attempt:
    """One attempt's work from its start to its end, over all its deliveries to this machine."""

    def __init__(self, command: SpawnTask, first: LosableDelivery, begin: Begin) -> None:
        self.command = command
        self.delivery = CurrentDelivery(first)
        work = begin(self.delivery)
        self.is_finishing = work.is_finishing
        self.working = asyncio.create_task(work.outcome)
        self.is_ending = False
        """It has been told to end: nobody may take it over any more."""

    def belongs_to(self, delivery: LosableDelivery) -> bool:
        return self.delivery.holder is delivery

    async def end(self) -> None:
        """Cancel the work, once however many ask, and wait for its end whatever cancels the caller meanwhile: it saves
        itself on its way out.
        """
        if not self.is_ending:
            self.is_ending = True
            self.working.cancel()
        cancelled: asyncio.CancelledError | None = None
        while not self.working.done():
            try:
                await asyncio.wait({self.working})
            except asyncio.CancelledError as again:
                cancelled = again
        if cancelled:
            raise cancelled


class Attempts:
    """Which attempts' work runs here, and what the end of a delivery means for it."""

    def __init__(self, daemon: str) -> None:
        self._daemon = daemon
        self._stop = asyncio.Event()
        self._running: dict[tuple[UUID, int], Attempt] = {}
        self._detached: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Hand everything back that is not about to end; nothing is begun from now on."""
        self._stop.set()

    async def all_ended(self) -> None:
        """After `stop`: wait for the work that waits for a successor."""
        while self._detached:
            await asyncio.wait(self._detached)

    async def run(self, command: SpawnTask, delivery: LosableDelivery, begin: Begin) -> Outcome:
        """The outcome of the attempt's work: of that which runs here already, or else of what `begin` makes.

        Where the caller is cancelled, or the daemon stops, the work is cancelled and waited for; then HandedBack,
        unless it has ended all the same. Where the server has only lost the delivery, AttemptGone at once: the work
        goes on for as long as a successor may come.
        """
        attempt = await self._taken_over(command, delivery)
        if attempt is None:
            attempt = self._running[command.task, command.attempt] = Attempt(command, delivery, begin)
        return await self._outcome(attempt, delivery)

    async def _taken_over(self, command: SpawnTask, delivery: LosableDelivery) -> Attempt | None:
        """The work that runs here for the same command, from now on `delivery`'s. What is ending, or was begun for
        another command of the attempt, ends first.
        """
        while attempt := self._running.get((command.task, command.attempt)):
            if attempt.command == command and not attempt.is_ending:
                logger.info("delivery %s takes over the work of delivery %s", delivery.name, attempt.delivery.name)
                attempt.delivery.pass_to(delivery)
                return attempt
            attempt.delivery.pass_to(None)
            await self._end(attempt)
        return None

    async def _outcome(self, attempt: Attempt, delivery: LosableDelivery) -> Outcome:
        stop = asyncio.create_task(self._stop.wait())
        passed_on = asyncio.create_task(attempt.delivery.passed_on.wait())
        try:
            await asyncio.wait({attempt.working, stop, passed_on}, return_when=asyncio.FIRST_COMPLETED)
            if attempt.belongs_to(delivery) and not attempt.working.done() and attempt.is_finishing():
                await asyncio.wait({attempt.working}, timeout=FINISHING)
        except asyncio.CancelledError:
            if attempt.belongs_to(delivery) and not self._detach(attempt, delivery):
                await self._end(attempt)
                raise
        finally:
            stop.cancel()
            passed_on.cancel()
        if not attempt.belongs_to(delivery):
            raise AttemptGone("the server has lost this delivery: the work goes on for the attempt's next one")
        await self._end(attempt)
        if attempt.working.cancelled():
            raise HandedBack(f"daemon {self._daemon} stops")
        return attempt.working.result()

    def _detach(self, attempt: Attempt, lost: LosableDelivery) -> bool:
        """Whether the work goes on without a delivery, for a while."""
        if self._stop.is_set() or attempt.is_ending or not lost.successor_within:
            return False
        attempt.delivery.pass_to(None)
        waiting = asyncio.create_task(self._await_successor(attempt, lost))
        self._detached.add(waiting)
        waiting.add_done_callback(self._detached.discard)
        return True

    async def _await_successor(self, attempt: Attempt, lost: LosableDelivery) -> None:
        """End the work, saved, unless another delivery takes it over in time."""
        logger.warning("the server has lost delivery %s: its work waits for the next one", lost.name)
        events = attempt.delivery.passed_on.wait(), self._stop.wait(), _unwanted(lost)
        first = [asyncio.create_task(each) for each in events]
        await asyncio.wait(first, timeout=lost.successor_within, return_when=asyncio.FIRST_COMPLETED)
        for each in first:
            each.cancel()
        if attempt.delivery.holder is None:
            logger.warning("no other delivery comes for the work of %s: it is saved and stopped", attempt.delivery.name)
            await self._end(attempt)
            if not attempt.working.cancelled() and (error := attempt.working.exception()):
                logger.warning("the work of delivery %s ended: %s", attempt.delivery.name, error)

    async def _end(self, attempt: Attempt) -> None:
        """End the work if it hasn't ended, and know it no more."""
        try:
            await attempt.end()
        finally:
            key = (attempt.command.task, attempt.command.attempt)
            if self._running.get(key) is attempt:
                del self._running[key]


async def _unwanted(lost: LosableDelivery) -> None:
    """Returns when nobody wants the work any more: the attempt was called back, or given to another machine."""
    while await _may_come(lost):  # noqa: ASYNC110 (nobody tells us)
        await asyncio.sleep(LOOK_EVERY)


async def _may_come(lost: LosableDelivery) -> bool:
    try:
        return await lost.may_have_successor()
    except Exception:
        # Not known is no reason to stop a healthy agent: the time that it may wait ends by itself.
        logger.exception("the server can't be asked for the successor of delivery %s", lost.name)
        return True
