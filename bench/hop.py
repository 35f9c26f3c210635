"""What a hop costs: from one step's end to the next one's start, against bare Temporal activities in the same run.

`python -m bench.hop` starts a stack of its own (Temporal, Postgres, worker.py), takes the place of the daemon, and runs
chains of no-op steps and chains of bare activities by turns. docs/benchmarks.md says what was seen.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.completion import CompletionActivities
from activities.planning import PlanningActivities
from activities.steps import StepActivities
from bench import bare, scripted
from bench.stopwatch import Hops, Stopwatch, together
from daemon.core.slots import SharedSlots
from domain import names
from domain.models import DirectiveStatus
from runtime.exit import leave, run
from runtime.shared_settings import SharedSettings
from runtime.stack_file import StackFile
from stack.embedded import embedded_stack
from stack.processes import Child
from stack.supervisor import Supervisor
from workflows.directive import DirectiveWorkflow
from workflows.state import DirectiveInput

LENGTH = 50
ROUNDS = 5
WITHIN = 60.0
"""Seconds for one chain, which takes one or two: a directive that stands still is an error, not a figure."""
AIM = 1.3
OWNER = "bench"


@dataclass(frozen=True)
class Contender:
    """A kind of chain: how one is run, and the hops of every round."""

    name: str
    run: Callable[[], Awaitable[None]]
    rounds: list[Hops] = field(default_factory=list)


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[StackFile]:
    """The real servers and workers: directives and the bare workflow in a process of their own each."""
    settings = SharedSettings(data_dir=folder, owner=OWNER, database_url=None)
    async with embedded_stack(settings, report=_print_error, environment=os.environ, with_daemon=False) as stack:
        lock = os.open(folder, os.O_RDONLY)
        supervisor = Supervisor(folder / "logs", lock, _print_error)
        try:
            await supervisor.start(_bare_worker(stack, folder))
            yield stack
        finally:
            await supervisor.stop()
            os.close(lock)


def _bare_worker(stack: StackFile, folder: Path) -> Child:
    environment = {**os.environ, "TEMPORAL_ADDRESS": stack.temporal_address, "TEMPORAL_CONFIG_FILE": os.devnull}
    command = (sys.executable, "-m", "bench.bare")
    # From the repository's folder: the benchmarks are no part of the installation.
    return Child(name="bare", command=command, environment=environment, folder=Path(__file__).parent.parent)


def machine_workers(client: Client, stopwatch: Stopwatch) -> list[Worker]:
    """The daemon's side of both chains: a worker a queue, set up as the daemon's own are."""
    slots = SharedSlots(4)
    given = (scripted.NoOpDaemon(stopwatch), client, "bench")
    activities: dict[str, list[Callable[..., Any]]] = {
        names.light_queue(OWNER): [PlanningActivities(*given).plan_directive],
        names.daemons_queue(OWNER): [
            PlanningActivities(*given).plan_directive,
            StepActivities(*given).execute_step,
            CompletionActivities(*given).complete_directive,
        ],
        bare.ACTIVITIES_QUEUE: [bare.BareActivities(stopwatch).do_nothing],
    }
    return [
        Worker(
            client,
            task_queue=queue,
            activities=served,
            tuner=slots.tuner(),
            interceptors=[slots],
            max_heartbeat_throttle_interval=timedelta(seconds=5),
        )
        for queue, served in activities.items()
    ]


async def run_bare(client: Client) -> None:
    await client.execute_workflow(bare.BareChain.run, LENGTH, id=f"bare-{uuid4()}", task_queue=bare.WORKFLOWS_QUEUE)


async def run_directive(client: Client) -> None:
    state = scripted.chain(OWNER, LENGTH)
    result = await client.execute_workflow(
        DirectiveWorkflow.run,
        DirectiveInput(state=state),
        id=names.workflow_id(state.directive.text.title, state.directive.id),
        task_queue=names.DIRECTIVES_QUEUE,
    )
    assert result.status is DirectiveStatus.COMPLETED, result


async def measure(stopwatch: Stopwatch, contenders: list[Contender]) -> None:
    """All contenders by turns, so that a slow minute of the machine falls on each; the first round only warms up."""
    for round_ in range(ROUNDS + 1):
        for contender in contenders:
            async with asyncio.timeout(WITHIN):
                await contender.run()
            hops = stopwatch.take()
            assert len(hops.seconds) == LENGTH - 1, hops
            if round_:
                contender.rounds.append(hops)


def table(measured: Contender, reference: Contender) -> Table:
    """Both in milliseconds, and what they are to each other."""
    shown = Table(title=f"A hop in a chain of {LENGTH} no-op steps, {ROUNDS} rounds by turns (ms)")
    for heading in ("", "median", "p95", "medians of the rounds"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for contender in (reference, measured):
        hops = together(contender.rounds)
        rounds = "  ".join(_ms(each.median) for each in contender.rounds)
        shown.add_row(contender.name, _ms(hops.median), _ms(hops.p95), rounds)
    ours, theirs = together(measured.rounds), together(reference.rounds)
    pairs = zip(measured.rounds, reference.rounds, strict=True)
    rounds = "  ".join(f"{mine.median / other.median:.2f}" for mine, other in pairs)
    shown.add_section()
    shown.add_row("ratio", f"{ours.median / theirs.median:.2f}", f"{ours.p95 / theirs.p95:.2f}", rounds)
    return shown


async def main() -> int:
    with TemporaryDirectory(prefix="makima-bench-") as folder:
        async with surroundings(Path(folder)) as stack:
            client = await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)
            stopwatch = Stopwatch()
            reference = Contender("bare Temporal activities", lambda: run_bare(client))
            measured = Contender("steps of a directive", lambda: run_directive(client))
            async with AsyncExitStack() as serving:
                for worker in machine_workers(client, stopwatch):
                    await serving.enter_async_context(worker)
                await measure(stopwatch, [reference, measured])
    console = Console()
    console.print(table(measured, reference))
    console.print(f"aim: a median ratio of at most {AIM}; {_load()}")
    return 0


def _load() -> str:
    """How busy the machine was: beside other work, waiting for a core is a part of every figure."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def _print_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    leave(run(main))
