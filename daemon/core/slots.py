"""One capacity for all task queues that a daemon serves (design 10; seen and decided in docs/decisions/0001)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, cast
from weakref import WeakSet

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ActivityInboundInterceptor,
    CustomSlotSupplier,
    ExecuteActivityInput,
    FixedSizeSlotSupplier,
    Interceptor,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)

from domain.protocol import ErrorType

SETTLE = timedelta(milliseconds=250)
"""A queue that holds work answers a poll in less: 10 ms beside the server, a round trip away from it."""
SLOT_TIMEOUT = timedelta(seconds=2)
"""How long a task that came too much may wait here: below every heartbeat timeout, since nothing beats meanwhile."""
RETURN_DELAY = timedelta(milliseconds=100)


class _State(Enum):
    POLLING = auto()
    WAITING = auto()  # polled for SETTLE without an answer: the queue is empty
    TAKEN = auto()
    OVER = auto()


@dataclass(eq=False)
class _Permit(SlotPermit):
    queue: str
    state: _State = _State.POLLING

    @property
    def open(self) -> bool:
        return self.state in (_State.POLLING, _State.WAITING)

    @property
    def counts(self) -> bool:
        return self.state in (_State.POLLING, _State.TAKEN)


@dataclass(frozen=True, eq=False)
class _Request:
    queue: str
    answer: asyncio.Future[_Permit]


class SharedSlots(CustomSlotSupplier, Interceptor):
    """Lets several workers of one process run at most `capacity` activities at once, without starving a queue.

    A worker reserves a slot *before* its long poll and keeps it while the poll is open: a minute on an empty queue.
    Were every reservation counted, an empty queue would hold the last slot while another one's tasks wait; were none
    counted, the last slot would be promised to all queues at once. So a reservation counts for its first moments only
    (`settle`): a queue with work answers in that time, a later one waits on an empty queue. Requests are granted in
    the order in which they came, one reservation a queue: queues with work take turns.

    What remains: when one slot is left, tasks may arrive on several waiting polls. The surplus waits for a turn before
    it begins, first come first served and ahead of every poll, and after `slot_timeout` is handed back (retryable
    `ApplicationError`, type `DaemonFull`; uses one of Temporal's attempts). So more than `capacity` never run, and no
    task waits here for hours while another daemon is free.

    Build it on the event loop of the workers; give each of them `tuner=slots.tuner()` and `interceptors=[slots]`, and
    each a queue of its own. ValueError for a capacity below 1.
    """

    def __init__(self, capacity: int, *, settle: timedelta = SETTLE, slot_timeout: timedelta = SLOT_TIMEOUT) -> None:
        if capacity < 1:
            raise ValueError(f"a daemon's capacity is at least 1, not {capacity}")
        self.capacity = capacity
        self._turns = asyncio.Semaphore(capacity)
        self._settle = settle.total_seconds()
        self._slot_timeout = slot_timeout.total_seconds()
        self._loop = asyncio.get_running_loop()  # all state is changed there and nowhere else
        self._asking: list[_Request] = []
        # Weak: a permit that the SDK drops unseen while a worker shuts down is forgotten without a release.
        self._permits: WeakSet[_Permit] = WeakSet()

    def tuner(self) -> WorkerTuner:
        """The tuner of a worker that runs nothing but activities."""
        unused = FixedSizeSlotSupplier(1)
        return WorkerTuner.create_composite(
            workflow_supplier=unused, activity_supplier=self, local_activity_supplier=unused, nexus_supplier=unused
        )

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _InTurn(next, self)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Holds one of the `capacity` turns; ApplicationError `DaemonFull` if none came free in time."""
        try:
            async with asyncio.timeout(self._slot_timeout):
                await self._turns.acquire()
        except TimeoutError:
            raise ApplicationError(
                f"this daemon is full ({self.capacity} running)",
                type=ErrorType.DAEMON_FULL,
                next_retry_delay=RETURN_DELAY,
                category=ApplicationErrorCategory.BENIGN,
            ) from None
        try:
            yield
        finally:
            self._turns.release()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        request = _Request(ctx.task_queue, self._loop.create_future())
        self._asking.append(request)
        self._grant()
        try:
            return await request.answer
        except asyncio.CancelledError:
            self._withdraw(request)
            raise

    def try_reserve_slot(self, ctx: SlotReserveContext) -> None:
        """Never: only a worker with workflows starts activities eagerly."""

    # The SDK calls these two from threads of its own.
    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        self._loop.call_soon_threadsafe(self._move, cast(_Permit, ctx.permit), _State.TAKEN)

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        self._loop.call_soon_threadsafe(self._move, cast(_Permit, ctx.permit), _State.OVER)

    def _move(self, permit: _Permit, state: _State) -> None:
        permit.state = state
        self._grant()

    def _settled(self, permit: _Permit) -> None:
        if permit.state is _State.POLLING:
            self._move(permit, _State.WAITING)

    def _grant(self) -> None:
        for request in [*self._asking]:
            if sum(permit.counts for permit in self._permits) >= self.capacity:
                return
            polled = any(permit.open and permit.queue == request.queue for permit in self._permits)
            if not polled and not request.answer.done():
                self._asking.remove(request)
                request.answer.set_result(self._issue(request.queue))

    def _issue(self, queue: str) -> _Permit:
        permit = _Permit(queue)
        self._permits.add(permit)
        self._loop.call_later(self._settle, self._settled, permit)
        return permit

    def _withdraw(self, request: _Request) -> None:
        """A request may be cancelled after its answer: then the permit has no other owner."""
        if request in self._asking:
            self._asking.remove(request)
        else:
            self._move(request.answer.result(), _State.OVER)


class _InTurn(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, slots: SharedSlots) -> None:
        super().__init__(next)
        self._slots = slots

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        async with self._slots.turn():
            return await self.next.execute_activity(input)
