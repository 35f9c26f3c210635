"""What a hop costs: from one step's end to the next one's start, against bare Temporal activities in the same run.

`python -m bench hop` runs chains of no-op steps and chains of bare activities by turns. docs/benchmarks.md says what
was seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

from bench import bare, scripted
from bench.figures import Figure
from bench.stage import OWNER, Stage, measured, stage
from bench.stopwatch import Hops, together

LENGTH = 50
ROUNDS = 5
WITHIN = 60.0
"""Seconds for one chain, which takes one or two: a directive that stands still is an error, not a figure."""
AIM = 1.15
CPU_AIM = 8.0


@dataclass
class Contender:
    """A kind of chain: how one is run, the hops of every round, and the CPU milliseconds of its worker a step."""

    worker: str
    run: Callable[[], Awaitable[object]]
    rounds: list[Hops] = field(default_factory=list)
    cpu: float = 0.0

    @property
    def median(self) -> float:
        """Milliseconds."""
        return together(self.rounds).median * 1000


async def figures() -> list[Figure]:
    """The figures of this benchmark."""
    async with stage() as on:
        ours = Contender("worker", lambda: on.run(scripted.chain(OWNER, LENGTH)))
        default = Contender("bare", lambda: _bare(on, bare.WORKFLOWS_QUEUE))
        alike = Contender("bare", lambda: _bare(on, bare.UNSANDBOXED_QUEUE))
        await _by_turns(on, [default, alike, ours])
    return [
        _figure("hop", "ms", ours.median, default.median, "bare Temporal", AIM),
        _figure("hop, its runner alike", "ms", ours.median, alike.median, "bare, unsandboxed", None),
        _figure("hop, 95th percentile", "ms", _p95(ours), _p95(default), "bare Temporal", None),
        Figure(name="hop, CPU of the worker", ours=ours.cpu, unit="ms a step", aim=CPU_AIM),
    ]


def _p95(contender: Contender) -> float:
    return together(contender.rounds).p95 * 1000


def _figure(name: str, unit: str, ours: float, beside: float, what: str, aim: float | None) -> Figure:
    return Figure(name=name, unit=unit, ours=ours, beside=beside, beside_what=what, aim=aim)


async def _bare(on: Stage, queue: str) -> None:
    await on.client.execute_workflow(bare.BareChain.run, LENGTH, id=f"bare-{uuid4()}", task_queue=queue)


async def _by_turns(on: Stage, contenders: list[Contender]) -> None:
    """All contenders by turns, so that a slow minute of the machine falls on each; the first round only warms up."""
    for round_ in range(ROUNDS + 1):
        for contender in contenders:
            with measured() as used:
                async with asyncio.timeout(WITHIN):
                    await contender.run()
            hops = on.stopwatch.take()
            assert len(hops.seconds) == LENGTH - 1, hops
            if round_:
                contender.rounds.append(hops)
                contender.cpu += used.cpu[contender.worker] * 1000 / LENGTH / ROUNDS
