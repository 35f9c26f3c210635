"""What a daemon uses: its memory while 16 agents print without end, and its CPU time while 16 agents only wait.

`python -m bench.load` runs the real parts: Temporal, Postgres, worker.py, and one daemon process with 16 slots.
docs/benchmarks.md says what was seen.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

import psutil
from rich.console import Console
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from domain import names
from domain.directive_settings import Settings as DirectiveSettings
from domain.models import Directive, PlanChanges, State, Text
from domain.plan import PlannedStep, add_steps
from domain.statuses import StepStatus
from domain.value import build_models
from runtime.exit import leave, run
from runtime.shared_settings import SharedSettings
from runtime.stack_file import StackFile
from stack.embedded import embedded_stack
from stack.processes import Child
from stack.supervisor import Supervisor
from workflows.directive import DirectiveWorkflow
from workflows.state import DirectiveInput, DirectiveResult

OWNER = "bench"
AGENTS = 16
PRINTING = timedelta(seconds=60)
IDLE = timedelta(seconds=20)
MEGABYTE = 1024 * 1024
PRINTS = "while [ ! -e {stop} ]; do seq 2000; sleep 0.1; done; echo done > $$"
"""90 kB a second each."""
WAITS = "while [ ! -e {stop} ]; do sleep 1; done; echo done > $$"


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[tuple[Client, psutil.Process]]:
    """A client of the running stack, and the daemon's process."""
    settings = SharedSettings(data_dir=folder / "data", owner=OWNER, database_url=None)
    async with embedded_stack(settings, report=_print_error, environment=os.environ, with_daemon=False) as stack:
        lock = os.open(folder, os.O_RDONLY)
        supervisor = Supervisor(folder / "data" / "logs", lock, _print_error)
        try:
            await supervisor.start(_daemon(stack, folder))
            build_models()
            client = await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)
            (daemon,) = [each for each in psutil.Process().children() if "daemon" in each.cmdline()]
            yield client, daemon
        finally:
            await supervisor.stop()
            os.close(lock)


def _daemon(stack: StackFile, folder: Path) -> Child:
    file, stops = folder / "daemon.toml", folder / "stops"
    stops.mkdir()
    file.write_text(
        f'name = "bench"\ncapacity = {AGENTS}\nserves = ["shell"]\nallow_local_repositories = true\n'
        f'sandbox_read = ["{stops}"]\n'
    )
    environment = {**os.environ, "TEMPORAL_ADDRESS": stack.temporal_address, "TEMPORAL_CONFIG_FILE": os.devnull}
    environment |= {"MAKIMA_DAEMON_CONFIG": str(file), "MAKIMA_DATA_DIR": str(folder / "d"), "MAKIMA_OWNER": OWNER}
    return Child(name="daemon", command=(sys.executable, "-m", "daemon"), environment=environment, folder=folder)


def make_repository(folder: Path) -> str:
    """A bare repository with one commit."""
    origin = folder / "origin.git"
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for command in (
        ("init", "--quiet", "--bare", "--initial-branch=main", str(origin)),
        ("init", "--quiet", "--initial-branch=main", str(folder / "clone")),
        ("-C", str(folder / "clone"), *identity, "commit", "--quiet", "--allow-empty", "-m", "first"),
        ("-C", str(folder / "clone"), "push", "--quiet", str(origin), "main"),
    ):
        subprocess.run(["git", *command], check=True, cwd=folder)
    return f"file://{origin}"


@asynccontextmanager
async def sixteen(client: Client, repository: str, script: str, stop: Path) -> AsyncIterator[None]:
    """Sixteen steps whose agents all run; on the way out they are let go, and the directive ends."""
    plan = [PlannedStep(name=f"Step {at}", task_plan=script.format(stop=stop)) for at in range(AGENTS)]
    settings = DirectiveSettings(once=True, max_parallel_steps=AGENTS)
    text = Text(title=stop.name, goal="Use as little as possible")
    directive = Directive(
        id=uuid4(), owner=OWNER, text=text, repository=repository, base_branch="main", settings=settings
    )
    given = add_steps(PlanChanges(), plan, generation=1, known=(), new_id=uuid4).add
    handle = await client.start_workflow(
        DirectiveWorkflow.run,
        DirectiveInput(state=State(directive=directive, given_plan=given)),
        id=names.workflow_id(text.title, directive.id),
        task_queue=names.DIRECTIVES_QUEUE,
    )
    await _all_running(handle)
    yield
    await asyncio.to_thread(stop.touch)
    await handle.result()


async def _all_running(handle: WorkflowHandle[DirectiveWorkflow, DirectiveResult]) -> None:
    async with asyncio.timeout(120):
        while True:
            steps = (await handle.query(DirectiveWorkflow.state_now)).steps.values()
            if len([step for step in steps if step.status is StepStatus.RUNNING]) == AGENTS:
                return
            await asyncio.sleep(0.5)


async def memory_of(daemon: psutil.Process) -> list[int]:
    """Its resident bytes, once a second."""
    samples = []
    for _ in range(int(PRINTING.total_seconds())):
        samples.append(daemon.memory_info().rss)
        await asyncio.sleep(1)
    return samples


async def cpu_of(daemon: psutil.Process) -> tuple[float, float]:
    """The share of one core that the daemon itself uses, and that it uses with everything that it has started."""

    def used() -> tuple[float, float]:
        tree = [daemon, *daemon.children(recursive=True)]
        own, *others = (sum(each.cpu_times()[:2]) for each in tree)
        return own, own + sum(others)

    before = used()
    await asyncio.sleep(IDLE.total_seconds())
    after = used()
    own, whole = ((late - early) / IDLE.total_seconds() for early, late in zip(before, after, strict=True))
    return own, whole


async def main() -> int:
    console = Console()
    with TemporaryDirectory(prefix="makima-bench-") as name:
        folder = Path(name)
        repository = await asyncio.to_thread(make_repository, folder)
        async with surroundings(folder) as (client, daemon):
            async with sixteen(client, repository, WAITS, folder / "stops" / "waiting"):
                own, whole = await cpu_of(daemon)
            async with sixteen(client, repository, PRINTS, folder / "stops" / "printing"):
                samples = await memory_of(daemon)
    quarter = len(samples) // 4
    first, last = median(samples[quarter : 2 * quarter]), median(samples[-quarter:])
    console.print(f"{AGENTS} agents that wait: the daemon uses {own:.1%} of a core, with all its keepers {whole:.1%}")
    console.print(
        f"{AGENTS} agents that print 90 kB a second each, {PRINTING.total_seconds():.0f} s: {first / MEGABYTE:.1f} MB "
        f"in the second quarter, {last / MEGABYTE:.1f} MB in the last one, ratio {last / first:.2f} (aim: 1.1)"
    )
    console.print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


def _print_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    leave(run(main))
