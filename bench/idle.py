"""What directives cost that only wait: `python -m bench idle` starts 1,000 of them (BENCH_IDLE: another number).

As many as a worker keeps in its memory have done a step; those beyond that number are drafts, and were started first.
"""

from __future__ import annotations

import asyncio
import os
import time

from psutil import Process

from bench import scripted
from bench.commands import DOES_NOTHING, NOTHING, STARTER, timed
from bench.figures import Figure
from bench.stage import OWNER, Stage, cpu_seconds, of_each, processes, stage

DIRECTIVES = int(os.environ.get("BENCH_IDLE", "1000"))
AT_ONCE = 50
CACHED = 1000
"""Workflows that the worker keeps in its memory: the SDK's default, which worker.py leaves as it is."""
WATCHED = 30.0
"""Seconds: three of the worker's looks for lost workflows."""
MEGABYTE = 1024 * 1024
MEMORY_AIM, CPU_AIM = 450.0, 5.0
LIST_AIM = 0.5 / 0.02
"""Of a Python that does nothing, as those of bench/commands.py."""


async def figures() -> list[Figure]:
    """Memory and CPU of worker and Temporal while they wait, and how long the list of them takes."""
    async with stage() as on:
        await _start(on, DIRECTIVES)
        before, began = cpu_seconds(), time.perf_counter()
        await asyncio.sleep(WATCHED)
        seconds, after = time.perf_counter() - began, cpu_seconds()
        resident = {name: of_each(found, Process.memory_info) for name, found in processes().items()}
        memory = {name: sum(each.rss for each in found) for name, found in resident.items()}
        listed, nothing = [
            min([await timed(on, words) for _ in range(5)]) for words in ((STARTER, "list"), DOES_NOTHING)
        ]
    share = {name: (after[name] - before[name]) / seconds * 100 for name in after}
    title = f"idle, {DIRECTIVES:,} directives"
    return [
        Figure(name=f"{title}, memory of the worker", ours=memory["worker"] / MEGABYTE, unit="MB", aim=MEMORY_AIM),
        Figure(name=f"{title}, memory of Temporal", ours=memory["temporal"] / MEGABYTE, unit="MB"),
        Figure(name=f"{title}, CPU of the worker", ours=share["worker"], unit="% of a core", aim=CPU_AIM),
        Figure(name=f"{title}, CPU of Temporal", ours=share["temporal"], unit="% of a core"),
        Figure(name=f"{title}, `list`", ours=listed, unit="s", beside=nothing, beside_what=NOTHING, aim=LIST_AIM),
    ]


async def _start(on: Stage, count: int) -> None:
    """So many directives, until none has anything to do."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            await on.to_rest(scripted.chain(OWNER, 1, once=False), begin=number < CACHED)

    await asyncio.gather(*(one(number) for number in reversed(range(count))))
