"""Many steps at once: sixty directives of ten steps each (`many`), and one plan of two hundred (`fan`), against bare
workflows that call as many activities in the same shape, on a daemon of as many slots, in the same run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median
from uuid import uuid4

from bench import bare, scripted
from bench.figures import Figure
from bench.stage import OWNER, Stage, Used, measured, stage
from domain.directive_settings import Settings

DIRECTIVES, LENGTH = 60, 10
FAN = 200
TASKS_BESIDE = 2
"""The daemon's tasks of a directive that are no steps: one before the first, one behind the last. The bare ones do as
many activities more, and they count for neither."""
ROUNDS = 2
WITHIN = 180.0
MANY_AIM, FAN_AIM, CPU_AIM = 0.6, 0.7, 8.0


@dataclass
class Contender:
    worker: str
    run: Callable[[], Awaitable[object]]
    steps: int
    rounds: list[Used] = field(default_factory=list)

    @property
    def a_second(self) -> float:
        return median(self.steps / each.seconds for each in self.rounds)

    def cpu(self, process: str) -> float:
        """CPU milliseconds a step."""
        return median(each.cpu[process] * 1000 / self.steps for each in self.rounds)


async def many() -> list[Figure]:
    """Sixty directives at once, each a chain of ten steps."""
    async with stage() as on:
        ours = Contender("worker", lambda: _directives(on), DIRECTIVES * LENGTH)
        beside = Contender("bare", lambda: _bare_chains(on), DIRECTIVES * LENGTH)
        await _by_turns(on, [beside, ours])
    return [_ratio("many", ours, beside, MANY_AIM), *_cpu("many", ours, beside)]


async def fan() -> list[Figure]:
    """One directive of two hundred steps that depend on nothing."""
    async with stage() as on:
        ours = Contender("worker", lambda: on.run(scripted.fan(OWNER, FAN)), FAN)
        beside = Contender("bare", lambda: _bare_fan(on), FAN)
        await _by_turns(on, [beside, ours])
    return [_ratio("fan", ours, beside, FAN_AIM), *_cpu("fan", ours, beside)]


async def _directives(on: Stage) -> None:
    await asyncio.gather(*(on.run(scripted.chain(OWNER, LENGTH)) for _ in range(DIRECTIVES)))


async def _bare_chains(on: Stage) -> None:
    start = on.client.execute_workflow
    length = LENGTH + TASKS_BESIDE
    chains = (
        start(bare.BareChain.run, length, id=f"bare-{uuid4()}", task_queue=bare.WORKFLOWS_QUEUE)
        for _ in range(DIRECTIVES)
    )
    await asyncio.gather(*chains)


async def _bare_fan(on: Stage) -> None:
    await on.client.execute_workflow(
        bare.BareFan.run,
        args=[FAN + TASKS_BESIDE, Settings().max_parallel_steps],
        id=f"bare-{uuid4()}",
        task_queue=bare.WORKFLOWS_QUEUE,
    )


async def _by_turns(on: Stage, contenders: list[Contender]) -> None:
    """By turns, after one round that only warms up."""
    for round_ in range(ROUNDS + 1):
        for contender in contenders:
            with measured() as used:
                async with asyncio.timeout(WITHIN):
                    await contender.run()
            on.stopwatch.take()
            if round_:
                contender.rounds.append(used)


def _ratio(name: str, ours: Contender, beside: Contender, aim: float) -> Figure:
    return Figure(
        name=name,
        ours=ours.a_second,
        unit="steps/s",
        beside=beside.a_second,
        beside_what="bare Temporal",
        more_is_better=True,
        aim=aim,
    )


def _cpu(name: str, ours: Contender, beside: Contender) -> list[Figure]:
    def figure(what: str, process: str, other: str, aim: float | None = None) -> Figure:
        return Figure(
            name=f"{name}, CPU of {what}",
            ours=ours.cpu(process),
            unit="ms a step",
            beside=beside.cpu(other),
            beside_what="bare Temporal",
            aim=aim,
        )

    return [
        Figure(name=f"{name}, CPU of the worker", ours=ours.cpu("worker"), unit="ms a step", aim=CPU_AIM),
        figure("a worker, beside a bare one", "worker", "bare"),
        figure("Temporal", "temporal", "temporal"),
        Figure(name=f"{name}, CPU of Postgres", ours=ours.cpu("postgres"), unit="ms a step"),
    ]
