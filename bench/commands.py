"""How long the operator's reads take, each as a process of its own, beside a Python that does nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from statistics import median

from bench import scripted
from bench.figures import Figure
from bench.stage import HERE, OWNER, Stage, stage

ROUNDS = 7
STEPS = 10
AIM = 0.35 / 0.02
"""Of a Python that does nothing: both were measured on the machine that the aim of 0.35 s was set for."""
NOTHING, DOES_NOTHING = "`python -c pass`", ("-c", "pass")
STARTER = str(HERE / "starter.py")


async def figures() -> list[Figure]:
    """All by turns; the first round only warms up."""
    async with stage() as on:
        state = scripted.chain(OWNER, STEPS, once=False)
        await on.to_rest(state)
        directive = str(state.directive.id)
        reads = {"list": ("list",)} | {
            name: (name, directive) for name in ("status", "plan", "costs", "history", "logs", "why")
        }
        commands: dict[str, Sequence[str]] = {NOTHING: DOES_NOTHING}
        commands |= {f"`{name}`": (STARTER, *words) for name, words in reads.items()}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS + 1):
            for name, words in commands.items():
                seconds[name].append(await timed(on, words))
    took = {name: median(each[1:]) for name, each in seconds.items()}
    nothing = took.pop(NOTHING)
    return [
        Figure(name=f"commands, {name}", ours=each, unit="s", beside=nothing, beside_what=NOTHING, aim=AIM)
        for name, each in took.items()
    ]


async def timed(on: Stage, words: Sequence[str]) -> float:
    """Seconds that a Python takes which runs `words` beside the stage's stack."""
    environment = {**os.environ, "MAKIMA_DATA_DIR": str(on.folder), "MAKIMA_OWNER": OWNER}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    return time.perf_counter() - began
