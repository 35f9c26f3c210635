"""The measure: a workflow that does nothing but call an activity on another queue, fifty times one after the other."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from temporalio.worker import Worker

    from bench.stopwatch import Stopwatch
    from runtime.connection import connect_temporal
    from runtime.exit import leave, run
    from runtime.shared_settings import load_settings

WORKFLOWS_QUEUE = "bench-bare-workflows"
ACTIVITIES_QUEUE = "bench-bare-activities"


class BareActivities:
    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch

    @activity.defn
    async def do_nothing(self, number: int) -> int:
        with self._stopwatch.work():
            return number


@workflow.defn
class BareChain:
    @workflow.run
    async def run(self, length: int) -> None:
        for number in range(length):
            await workflow.execute_activity_method(
                BareActivities.do_nothing,
                number,
                task_queue=ACTIVITIES_QUEUE,
                start_to_close_timeout=timedelta(minutes=1),
            )


async def main() -> int:
    """Serve BareChain in a process of its own with the worker's defaults, as worker.py serves directives."""
    client = await connect_temporal(load_settings(), identity="bench-bare")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Worker(client, task_queue=WORKFLOWS_QUEUE, workflows=[BareChain]):
        await stop.wait()
    return 0


if __name__ == "__main__":
    leave(run(main))
