"""A daemon's Runner without Temporal, for benchmarks of what it does on its machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from daemon.agents.command import CommandAgent
from daemon.git.repositories import Repositories
from daemon.machine import Machine
from daemon.runner import nothing_more
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import Sandbox
from domain.directive_settings import AgentChoice, Limits
from domain.models import Question, TaskKind
from domain.names import short
from domain.record import Artifact, DaemonReport, LogChunk
from domain.spawn_task import Progress, SpawnTask

OWNER = "bench"


class QuietDelivery:
    """Implements Delivery: the attempt is always its own, and nobody listens."""

    def __init__(self) -> None:
        self.name = uuid4().hex[:8]

    def beat(self, progress: Progress) -> None: ...

    async def started(self, delivery: str) -> None: ...

    @property
    def successor_within(self) -> float:
        return 0

    async def may_have_successor(self) -> bool:
        return False

    run = ""

    async def confirm(self) -> None: ...

    async def ask(self, question: Question) -> None: ...

    async def answers(self) -> tuple[Question, ...]:
        return ()


class QuietCore:
    """Implements the daemon's port Core: takes everything at once."""

    async def append_log(self, chunk: LogChunk) -> None: ...

    async def report(self, report: DaemonReport) -> None: ...

    async def put_artifact(self, artifact: Artifact) -> None: ...


def machine_at(tasks: Path, repositories: Repositories, sandbox: Sandbox, agent: CommandAgent) -> Machine:
    """A machine that serves `agent` as "scripted"."""
    return Machine(
        name="bench",
        owner=OWNER,
        tasks_folder=tasks,
        repositories=repositories,
        agents={"scripted": agent},
        identity=GitIdentity(),
        sandbox=sandbox,
        core=QuietCore(),
        min_free_disk=0,
        max_task_memory=0,
        after_outcome=nothing_more,
    )


def step_command(task: UUID, repository: str, base: str) -> SpawnTask:
    """The first attempt of a step that starts from `base`."""
    return SpawnTask(
        task=task,
        name="Bench: step",
        kind=TaskKind.STEP,
        attempt=1,
        owner=OWNER,
        directive=uuid4(),
        directive_title="Bench",
        step=uuid4(),
        step_name="step",
        generation=1,
        prompt="Do something",
        repository=repository,
        base_branch="main",
        base_commit=base,
        target_branch=f"makima/bench-{short(task)}-{uuid4().hex[:8]}",
        agent=AgentChoice(name="scripted"),
        limits=Limits(time=timedelta(minutes=5)),
    )
