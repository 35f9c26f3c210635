"""Two workers, one capacity, on a real Temporal server (design 10, docs/decisions/0001)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.client import ActivityHandle, Client
from temporalio.common import Priority
from temporalio.worker import SlotPermit, SlotReleaseContext, SlotReserveContext, Worker

from daemon.core.slots import SharedSlots
from tests.fixtures_stack import server_of_its_own

AT_ONCE = 40.0
"""Seconds: less than a long poll, which lasts a minute, and enough for a machine that stands still for a while."""
ONE_PARTITION = ("matching.numTaskqueueReadPartitions=1", "matching.numTaskqueueWritePartitions=1")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    settings = ("history.transferProcessorMaxPollRPS=2000", *ONE_PARTITION)
    async with await server_of_its_own(
        dev_server_log_level="error",
        dev_server_extra_args=[word for setting in settings for word in ("--dynamic-config-value", setting)],
    ) as environment:
        yield environment.client


class WatchedSlots(SharedSlots):
    """Remembers which queues were promised a slot, so that a test can wait for it."""

    promised: frozenset[str] = frozenset()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        permit = await super().reserve_slot(ctx)
        self.promised |= {ctx.task_queue}
        return permit


@dataclass
class Agents:
    """The activities under test: they count how many run at once, and hold on while told to."""

    running: int = 0
    most: int = 0
    began: list[str] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn
    async def work(self, name: str) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        self.began.append(name)
        try:
            await (self.released.wait() if name.startswith("held") else asyncio.sleep(0.05))
        finally:
            self.running -= 1


@dataclass
class Machine:
    """One daemon: its slots, its agents and the queues it serves."""

    slots: WatchedSlots
    agents: Agents
    queues: tuple[str, ...]

    @asynccontextmanager
    async def serving(self, client: Client) -> AsyncIterator[None]:
        async with AsyncExitStack() as workers:
            for queue in self.queues:
                worker = Worker(
                    client,
                    task_queue=queue,
                    activities=[self.agents.work],
                    tuner=self.slots.tuner(),
                    interceptors=[self.slots],
                )
                await workers.enter_async_context(worker)
            yield

    async def polls_everywhere(self) -> None:
        await until(lambda: self.slots.promised == set(self.queues))


def machine(capacity: int, *queues: str, slot_timeout: float = 2, settle: float = 0.25) -> Machine:
    slots = WatchedSlots(capacity, slot_timeout=timedelta(seconds=slot_timeout), settle=timedelta(seconds=settle))
    return Machine(slots, Agents(), queues)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def put(client: Client, queue: str, name: str, priority: int = 3) -> ActivityHandle[None]:
    return await client.start_activity_method(
        Agents.work,
        name,
        id=f"{queue}-{name}",
        task_queue=queue,
        start_to_close_timeout=timedelta(seconds=30),
        priority=Priority(priority_key=priority),
    )


async def all_done(handles: list[ActivityHandle[None]]) -> None:
    async with asyncio.timeout(AT_ONCE):
        await asyncio.gather(*(handle.result() for handle in handles))


@pytest.fixture
def queues() -> tuple[str, str]:
    name = uuid4().hex[:6]
    return f"daemons/{name}", f"daemon/{name}/one"


async def test_two_queues_full_of_work_share_the_only_slot_and_take_turns(
    client: Client, queues: tuple[str, str]
) -> None:
    shared, own = queues
    daemon = machine(1, shared, own, slot_timeout=0, settle=8)
    handles = [await put(client, queue, f"{queue}:{i}") for i in range(8) for queue in queues]
    async with daemon.serving(client):
        await all_done(handles)
    assert daemon.agents.most == 1
    turns = [name.split(":")[0] for name in daemon.agents.began]
    assert all(len(set(turns[at : at + 3])) == 2 for at in range(10)), turns
    assert {(await handle.describe()).attempt for handle in handles} == {1}, "a queue with work is never over-promised"


async def test_an_empty_queue_that_waits_in_its_long_poll_does_not_hold_the_last_slot(
    client: Client, queues: tuple[str, str]
) -> None:
    shared, own = queues
    daemon = machine(1, shared, own)
    async with daemon.serving(client), asyncio.timeout(AT_ONCE):
        for i in range(3):
            for queue in (shared, shared, own):
                await (await put(client, queue, f"{i}-{uuid4()}")).result()


async def test_a_task_on_the_own_queue_does_not_wait_for_the_shared_queue_to_drain(
    client: Client, queues: tuple[str, str]
) -> None:
    shared, own = queues
    daemon = machine(2, shared, own, slot_timeout=20)
    backlog = [await put(client, shared, f"{i}") for i in range(30)]
    async with daemon.serving(client):
        await daemon.polls_everywhere()
        mine = await put(client, own, "mine")
        await all_done([mine])
        assert len(daemon.agents.began) < 20
        assert (await mine.describe()).attempt == 1
        await all_done(backlog)
    assert daemon.agents.most == 2


@pytest.mark.parametrize(("queues_served", "capacity"), [(3, 1), (7, 1), (7, 3)])
async def test_of_many_queues_none_starves_beside_one_that_is_always_full(
    client: Client, queues_served: int, capacity: int
) -> None:
    full, *quiet = [f"daemons/{uuid4().hex[:6]}/{at}" for at in range(queues_served)]
    daemon = machine(capacity, full, *quiet)
    backlog = [await put(client, full, f"{i}") for i in range(60)]
    async with daemon.serving(client):
        await daemon.polls_everywhere()
        singles = [await put(client, queue, "single") for queue in quiet]
        await all_done(singles)
        assert len(daemon.agents.began) < 60, "they did not wait for the backlog's end"
        await all_done(backlog)
        for queue in reversed(quiet):  # and all of them empty, each gets what comes at once
            async with asyncio.timeout(AT_ONCE):
                await (await put(client, queue, "later")).result()
    assert daemon.agents.most == capacity


@pytest.mark.rule("5.4")
async def test_a_task_that_came_too_much_is_handed_back_to_a_daemon_with_a_free_slot(
    client: Client, queues: tuple[str, str]
) -> None:
    shared, own = queues
    full, free = machine(1, shared, own, slot_timeout=0.2), machine(1, shared)
    async with full.serving(client):
        await full.polls_everywhere()
        held = await put(client, own, "held")
        await until(lambda: full.agents.began == ["held"])
        surplus = await put(client, shared, "surplus")
        async with free.serving(
            await Client.connect(client.service_client.config.target_host, namespace=client.namespace)
        ):
            await all_done([surplus])
        full.agents.released.set()
        await all_done([held])
    assert (full.agents.began, free.agents.began) == (["held"], ["surplus"])


async def test_tasks_that_come_at_once_on_all_waiting_polls_run_one_after_the_other(
    client: Client, queues: tuple[str, str]
) -> None:
    daemon = machine(1, *queues, f"{queues[0]}/gpu", f"{queues[0]}/arm", settle=0, slot_timeout=20)
    async with daemon.serving(client):
        await daemon.polls_everywhere()
        handles = await asyncio.gather(*(put(client, queue, "one") for queue in daemon.queues))
        await all_done(handles)
    assert daemon.agents.most == 1
    assert [(await handle.describe()).attempt for handle in handles] == [1, 1, 1, 1], "a short wait is no retry"


@pytest.mark.rule("5.1")
async def test_planning_comes_before_completion_and_completion_before_steps(
    client: Client, queues: tuple[str, str]
) -> None:
    shared, own = queues
    daemon = machine(1, shared, own)
    handles = [await put(client, shared, f"{priority}-{i}", priority) for i in range(3) for priority in (3, 1, 2)]
    async with daemon.serving(client):
        await all_done(handles)
    assert [name[0] for name in daemon.agents.began] == [*"111222333"]


async def test_shutdown_ends_open_polls_at_once_and_gives_every_slot_back(
    client: Client, queues: tuple[str, str]
) -> None:
    first = machine(2, *queues)
    async with asyncio.timeout(AT_ONCE):
        async with first.serving(client):
            await first.polls_everywhere()
    again = Machine(first.slots, first.agents, queues)
    async with again.serving(client):
        held = [await put(client, queue, "held") for queue in queues]
        await until(lambda: again.agents.running == 2)
        again.agents.released.set()
        await all_done(held)


def ask(slots: SharedSlots, queue: str) -> asyncio.Task[SlotPermit]:
    return asyncio.create_task(slots.reserve_slot(cast(SlotReserveContext, SimpleNamespace(task_queue=queue))))


def release(slots: SharedSlots, permit: SlotPermit) -> None:
    slots.release_slot(SlotReleaseContext(slot_info=None, permit=permit))


async def test_a_queue_gets_one_reservation_at_a_time() -> None:
    slots = SharedSlots(3)
    first, second = ask(slots, "a"), ask(slots, "a")
    other = await ask(slots, "b")
    assert first.done()
    assert not second.done()
    release(slots, other)
    release(slots, await first)
    async with asyncio.timeout(AT_ONCE):
        await second


async def test_a_reservation_cancelled_between_its_grant_and_its_use_is_given_back() -> None:
    slots = SharedSlots(1, settle=timedelta(hours=1))
    permit, waiting = await ask(slots, "a"), ask(slots, "b")
    await asyncio.sleep(0)
    release(slots, permit)
    await asyncio.sleep(0)  # now granted, but not yet awake
    waiting.cancel()
    async with asyncio.timeout(AT_ONCE):
        await ask(slots, "b")
    assert waiting.cancelled()


async def test_a_reservation_that_the_sdk_forgets_without_release_blocks_nobody() -> None:
    slots = SharedSlots(1, settle=timedelta())
    async with asyncio.timeout(AT_ONCE):
        for _ in range(3):
            await ask(slots, "a")
            await ask(slots, "b")


async def test_reservations_cancelled_at_random_leak_nothing() -> None:
    slots, chance = SharedSlots(3, settle=timedelta(milliseconds=1)), random.Random(7)
    for _ in range(200):
        asked = [ask(slots, f"queue-{chance.randrange(5)}") for _ in range(8)]
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        for request in asked:
            request.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        for request in asked:
            if not request.cancelled():
                release(slots, request.result())
    async with asyncio.timeout(AT_ONCE):
        assert len([await ask(slots, f"queue-{i}") for i in range(5)]) == 5


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SharedSlots(0)
