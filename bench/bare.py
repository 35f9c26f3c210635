"""The measure: workflows that only call activities on another queue, one after the other or some at a time."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from temporalio.worker import UnsandboxedWorkflowRunner, Worker

    from bench.stopwatch import Stopwatch
    from runtime.connection import connect_temporal
    from runtime.exit import leave, run
    from runtime.shared_settings import load_settings

WORKFLOWS_QUEUE = "bench-bare-workflows"
"""With the SDK's defaults, the workflow sandbox among them."""
UNSANDBOXED_QUEUE = "bench-bare-unsandboxed"
"""As our worker runs its workflows."""
ACTIVITIES_QUEUE = "bench-bare-activities"


class BareActivities:
    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch

    @activity.defn
    async def do_nothing(self, number: int) -> int:
        with self._stopwatch.work():
            return number


async def _call(number: int) -> None:
    await workflow.execute_activity_method(
        BareActivities.do_nothing, number, task_queue=ACTIVITIES_QUEUE, start_to_close_timeout=timedelta(minutes=1)
    )


@workflow.defn
class BareChain:
    """One activity after the other."""

    @workflow.run
    async def run(self, length: int) -> None:
        for number in range(length):
            await _call(number)


@workflow.defn
class BareFan:
    """`count` activities, `at_once` in flight at a time, as a directive holds its steps back."""

    @workflow.run
    async def run(self, count: int, at_once: int) -> None:
        room = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with room:
                await _call(number)

        await asyncio.gather(*(one(number) for number in range(count)))


async def main() -> int:
    """Serve both in a process of their own, as worker.py serves directives."""
    client = await connect_temporal(load_settings(), identity="bench-bare")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    served = [BareChain, BareFan]
    async with (
        Worker(client, task_queue=WORKFLOWS_QUEUE, workflows=served),
        Worker(client, task_queue=UNSANDBOXED_QUEUE, workflows=served, workflow_runner=UnsandboxedWorkflowRunner()),
    ):
        await stop.wait()
    return 0


if __name__ == "__main__":
    leave(run(main))
