"""How the process of a worker ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest_asyncio
from temporalio import activity
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from runtime.exit import FAILED
from runtime.serving import serve


@pytest_asyncio.fixture
async def client(temporal_server: WorkflowEnvironment) -> AsyncIterator[Client]:
    yield temporal_server.client
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(each)


async def test_a_worker_that_never_ends_does_not_keep_its_process(client: Client) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    @activity.defn
    async def deaf() -> None:
        begun.set()
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    queue = f"deaf-{uuid4().hex}"
    serving = asyncio.create_task(serve([Worker(client, task_queue=queue, activities=[deaf])], stop_within=1))
    await client.start_activity(deaf, id=queue, task_queue=queue, start_to_close_timeout=timedelta(minutes=5))
    await begun.wait()
    signal.raise_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(60):
            assert await serving == FAILED
    finally:
        over.set()


async def test_a_worker_ends_at_a_signal(client: Client) -> None:
    @activity.defn
    async def prompt() -> str:
        return "done"

    queue = f"prompt-{uuid4().hex}"
    serving = asyncio.create_task(serve([Worker(client, task_queue=queue, activities=[prompt])]))
    begin_to_end = timedelta(minutes=1)
    told = await client.execute_activity(prompt, id=queue, task_queue=queue, start_to_close_timeout=begin_to_end)
    signal.raise_signal(signal.SIGTERM)
    assert (told, await serving) == ("done", 0)
