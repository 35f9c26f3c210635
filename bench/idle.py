"""What directives cost that only wait: `python -m bench idle` starts 1,000 of them (BENCH_IDLE: another number)."""

from __future__ import annotations

import asyncio
import os
import time

from psutil import Process

from bench import scripted
from bench.commands import STARTER, timed
from bench.figures import Figure
from bench.stage import OWNER, Stage, cpu_seconds, of_each, processes, stage

DIRECTIVES = int(os.environ.get("BENCH_IDLE", "1000"))
AT_ONCE = 50
WATCHED = 30.0
"""Seconds: three of the worker's looks for lost workflows."""
MEGABYTE = 1024 * 1024
MEMORY_AIM, CPU_AIM, LIST_AIM = 450.0, 5.0, 0.5


async def figures() -> list[Figure]:
    """Memory and CPU of worker and Temporal while they wait, and how long the list of them takes."""
    async with stage() as on:
        begun = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_to_rest(on, begun) for _ in range(DIRECTIVES)))
        before, began = cpu_seconds(), time.perf_counter()
        await asyncio.sleep(WATCHED)
        seconds, after = time.perf_counter() - began, cpu_seconds()
        resident = {name: of_each(found, Process.memory_info) for name, found in processes().items()}
        memory = {name: sum(each.rss for each in found) for name, found in resident.items()}
        listed = min([await timed(on, (STARTER, "list")) for _ in range(3)])
    share = {name: (after[name] - before[name]) / seconds * 100 for name in after}
    title = f"idle, {DIRECTIVES:,} directives"
    return [
        Figure(name=f"{title}, memory of the worker", ours=memory["worker"] / MEGABYTE, unit="MB", aim=MEMORY_AIM),
        Figure(name=f"{title}, memory of Temporal", ours=memory["temporal"] / MEGABYTE, unit="MB"),
        Figure(name=f"{title}, CPU of the worker", ours=share["worker"], unit="% of a core", aim=CPU_AIM),
        Figure(name=f"{title}, CPU of Temporal", ours=share["temporal"], unit="% of a core"),
        Figure(name=f"{title}, `list`", ours=listed, unit="s", aim=LIST_AIM),
    ]


async def _to_rest(on: Stage, begun: asyncio.Semaphore) -> None:
    """A directive of one step until it has nothing more to do."""
    async with begun:
        await on.to_rest(scripted.chain(OWNER, 1, once=False))
