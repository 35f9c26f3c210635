"""What the control plane's benchmarks stand on: the real servers, the worker, a bare worker, and a daemon that does no
work, with the CPU seconds that each of them has used.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

import psutil
from psutil import Process
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.completion import CompletionActivities
from activities.planning import PlanningActivities
from activities.steps import StepActivities
from bench import bare, scripted
from bench.stopwatch import Stopwatch
from daemon.core.slots import SharedSlots
from domain import names
from domain.directive_secret import NO_SECRET
from domain.models import State
from domain.statuses import DirectiveStatus
from domain.value import build_models
from runtime.shared_settings import SharedSettings
from runtime.stack_file import StackFile
from stack.embedded import embedded_stack
from stack.processes import Child
from stack.supervisor import Supervisor
from workflows.directive import DirectiveWorkflow
from workflows.launching import start_run
from workflows.state import DirectiveResult

Answer = TypeVar("Answer")

OWNER = "bench"
SLOTS = 4
"""Of the daemon, in all benchmarks, for directives and bare activities alike."""
HERE = Path(__file__).parent.parent
_PROCESSES = {"worker": "worker.py", "bare": "bench.bare", "temporal": "start-dev", "postgres": "postgres"}


@dataclass(frozen=True)
class Stage:
    """A running stack, and this process in the daemon's place."""

    client: Client
    stack: StackFile
    folder: Path
    stopwatch: Stopwatch

    async def directive(
        self, state: State, *, begin: bool = True
    ) -> WorkflowHandle[DirectiveWorkflow, DirectiveResult]:
        """Start a directive at `state`, as people's are started; without `begin` it stays a draft."""
        workflow = names.workflow_id(state.directive.text.title, state.directive.id)
        await start_run(self.client, workflow, state, NO_SECRET, begin=begin)
        return self.client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)

    async def to_rest(self, state: State, *, begin: bool = True) -> WorkflowHandle[DirectiveWorkflow, DirectiveResult]:
        """A directive from its start until it has nothing more to do: a draft, as soon as it is known."""
        handle = await self.directive(state, begin=begin)
        at_rest = DirectiveStatus.IDLE if begin else DirectiveStatus.DRAFT
        while (now := await handle.query(DirectiveWorkflow.state_now)).status is not at_rest:
            assert now.status is not DirectiveStatus.PAUSED, now.reason
            await asyncio.sleep(1)
        return handle

    async def run(self, state: State) -> UUID:
        """A directive from its start to its completion."""
        result = await (await self.directive(state)).result()
        assert result.status is DirectiveStatus.COMPLETED, result
        return state.directive.id


@asynccontextmanager
async def stage(*, with_worker: bool = True) -> AsyncIterator[Stage]:
    """Everything is real but agent and git: the daemon's activities, queues and slots, whose daemon does nothing."""
    with TemporaryDirectory(prefix="makima-bench-") as name:
        async with servers(Path(name), with_worker=with_worker) as stack, AsyncExitStack() as serving:
            build_models()
            client = await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)
            stopwatch = Stopwatch()
            for worker in machine_workers(client, stopwatch):
                await serving.enter_async_context(worker)
            yield Stage(client, stack, Path(name), stopwatch)


@asynccontextmanager
async def servers(folder: Path, *, with_worker: bool = True) -> AsyncIterator[StackFile]:
    """The real servers and workers: directives and the bare workflows in a process of their own each."""
    settings = SharedSettings(data_dir=folder, owner=OWNER, database_url=None)
    async with (
        embedded_stack(
            settings, report=print_error, environment=os.environ, with_worker=with_worker, with_daemon=False
        ) as stack,
        kept(_bare_worker(stack), folder),
    ):
        yield stack


@asynccontextmanager
async def kept(child: Child, folder: Path) -> AsyncIterator[None]:
    """One more process beside the stack's own."""
    lock = os.open(folder, os.O_RDONLY)
    supervisor = Supervisor(folder / "logs", lock, print_error)
    try:
        await supervisor.start(child)
        yield
    finally:
        await supervisor.stop()
        os.close(lock)


def _bare_worker(stack: StackFile) -> Child:
    environment = {**os.environ, "TEMPORAL_ADDRESS": stack.temporal_address, "TEMPORAL_CONFIG_FILE": os.devnull}
    command = (sys.executable, "-m", "bench.bare")
    # From the repository's folder: the benchmarks are no part of the installation.
    return Child(name="bare", command=command, environment=environment, folder=HERE)


def machine_workers(client: Client, stopwatch: Stopwatch) -> list[Worker]:
    """The daemon's side of directives and bare workflows: a worker a queue, set up as the daemon's own are."""
    slots = SharedSlots(SLOTS)
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


@dataclass
class Used:
    """What a stretch of work has taken."""

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    """Process → CPU seconds, of a part with all its children together."""


@contextmanager
def measured() -> Iterator[Used]:
    """Time, and CPU seconds of worker, bare worker, Temporal and Postgres: waiting for a core is no part of these."""
    used, begin, before = Used(), perf_counter(), cpu_seconds()
    yield used
    used.seconds = perf_counter() - begin
    used.cpu = {name: after - before.get(name, 0.0) for name, after in cpu_seconds().items()}


def cpu_seconds() -> Mapping[str, float]:
    """Process → its CPU seconds until now."""
    return {
        name: sum(sum(used[:2]) for used in of_each(found, Process.cpu_times)) for name, found in processes().items()
    }


def processes() -> Mapping[str, Sequence[Process]]:
    """The processes of the stage by their part in it."""
    children = list(of_each(Process().children(recursive=True), lambda each: (each, " ".join(each.cmdline()))))
    return {name: [each for each, line in children if mark in line] for name, mark in _PROCESSES.items()}


def of_each(found: Iterable[Process], asked: Callable[[Process], Answer]) -> Iterator[Answer]:
    """What is asked of each, but for those that have ended meanwhile."""
    for each in found:
        with suppress(psutil.NoSuchProcess):  # also ZombieProcess
            yield asked(each)


def print_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")
