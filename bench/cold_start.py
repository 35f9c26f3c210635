"""What lies between a SpawnTask and its agent: a worktree of 20,000 files, against `git worktree add` by hand.

`python -m bench.cold_start` makes a repository, and by turns starts a process in a new worktree by hand and an agent by
a daemon's Runner, without and with the sandbox. docs/benchmarks.md says what was seen.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from rich.console import Console
from rich.table import Table

from daemon.agents.command import CommandAgent
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.machine import Machine
from daemon.runner import Runner, nothing_more
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import NoSandbox, Opening, Sandbox, SandboxMode, open_sandbox
from domain.daemon_messages import Artifact, DaemonReport, LogChunk, UsageReport, UsedBeside
from domain.directive_settings import AgentChoice, Limits
from domain.errors import SettingsError
from domain.models import Question
from domain.names import short
from domain.progress import Progress
from domain.spawn_task import Outcome, SpawnTask
from domain.statuses import TaskKind
from domain.usage import Usage
from runtime.exit import leave, run

FILES, FOLDERS = 20_000, 400
ROUNDS = 5
AIM = 1.3
STARTED = 'touch "$0"'
"""The agent: it says that it has been started, by a file's time."""
OWNER = "bench"


@dataclass(frozen=True)
class Contender:
    name: str
    run: Callable[[int], Awaitable[float]]
    """Seconds from the start of a round to the start of its process."""
    rounds: list[float] = field(default_factory=list)


def make_repository(folder: Path) -> tuple[Path, str]:
    """A bare repository of 20,000 files in 400 folders, and its head."""
    origin = folder / "origin.git"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    lines = ["commit refs/heads/main", "committer bench <bench@localhost> 0 +0000", "data 5", "first"]
    for number in range(FILES):
        text = f"file {number}\n" * (1 + number % 200)  # from 7 bytes to 2 KiB
        lines += [f"M 100644 inline part-{number % FOLDERS}/file-{number}.txt", f"data {len(text)}", text]
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=origin, input="\n".join(lines).encode(), check=True, timeout=300
    )
    return origin, git(origin, "rev-parse", "main")


def git(folder: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def seconds_to(file: Path, began: float) -> float:
    """From `began` (epoch) to when `file` was made, in the kernel's coarse clock of 4 ms."""
    return file.stat().st_mtime - began


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
    used_before = Usage()

    def leaves(self, outcome: Outcome) -> None: ...

    async def confirm(self) -> None: ...

    async def ask(self, question: Question) -> None: ...

    async def answers(self) -> tuple[Question, ...]:
        return ()


class QuietCore:
    """Implements the daemon's port Core: takes everything at once."""

    async def append_log(self, chunk: LogChunk) -> None: ...

    async def report(self, report: DaemonReport) -> None: ...

    async def report_usage(self, report: UsageReport) -> UsedBeside:
        return UsedBeside()

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


class ByHand:
    """A clone, `git worktree add`, and a process."""

    def __init__(self, folder: Path, origin: Path, base: str) -> None:
        self._folder, self._base = folder, base
        self._clone = folder / "clone.git"
        git(folder, "clone", "--quiet", "--bare", str(origin), str(self._clone))

    async def run(self, number: int) -> float:
        return await asyncio.to_thread(self._run, number)

    def _run(self, number: int) -> float:
        worktree, mark = self._folder / f"by-hand-{number}", self._folder / f"by-hand-{number}.mark"
        began = time.time()
        git(self._clone, "worktree", "add", "--quiet", "--detach", str(worktree), self._base)
        subprocess.run(["sh", "-c", STARTED, str(mark)], cwd=worktree, check=True)
        taken = seconds_to(mark, began)
        shutil.rmtree(worktree)
        git(self._clone, "worktree", "prune")
        return taken


class ByDaemon:
    """A delivery of a step that is its first of this task, by a daemon that knows the repository."""

    def __init__(self, folder: Path, origin: Path, base: str, repositories: Repositories, sandbox: Sandbox) -> None:
        self._folder, self._origin, self._base = folder, origin, base
        self._repositories, self._sandbox = repositories, sandbox

    async def run(self, number: int) -> float:
        mark = Path("started")
        agent = CommandAgent(kind="command", argv=("sh", "-c", STARTED, str(mark)))
        runner = Runner(machine_at(self._folder / "tasks", self._repositories, self._sandbox, agent))
        command = step_command(UUID(int=number), f"file://{self._origin}", self._base)
        began = time.time()
        outcome = await runner.spawn(command, QuietDelivery())
        assert outcome.failure is None, outcome
        (worktree,) = (self._folder / "tasks").glob("*/work")
        taken = seconds_to(worktree / mark, began)
        shutil.rmtree(self._folder / "tasks")
        return taken


async def contenders(folder: Path) -> list[Contender]:
    origin, base = await asyncio.to_thread(make_repository, folder)
    own = Git(folder / "git", dict(os.environ), allow_local=True)
    await own.prepare()
    repositories = Repositories(own, folder / "caches")
    await (await repositories.at(f"file://{origin}")).fetch()
    found = [Contender("git worktree add and a process, by hand", ByHand(folder, origin, base).run)]
    modes: dict[str, Sandbox] = {"without sandbox": NoSandbox()}
    try:
        modes["with bubblewrap"] = await open_sandbox(
            SandboxMode.REQUIRED, Opening(hidden=(folder,)), scratch=folder, environ=os.environ
        )
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
    for name, sandbox in modes.items():
        ours = ByDaemon(folder / name.replace(" ", "-"), origin, base, repositories, sandbox)
        found.append(Contender(f"SpawnTask to agent, {name}", ours.run))
    return found


async def main() -> int:
    with TemporaryDirectory(prefix="makima-bench-") as folder:
        found = await contenders(Path(folder))
        for number in range(ROUNDS + 1):
            for at, contender in enumerate(found):
                taken = await contender.run(100 * at + number)
                if number:  # the first round only warms up
                    contender.rounds.append(taken)
    console = Console()
    console.print(table(found))
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    console.print(f"aim: a median ratio of at most {AIM}; {load}")
    return 0


def table(found: list[Contender]) -> Table:
    shown = Table(title=f"To a process in a worktree of {FILES:,} files, {ROUNDS} rounds by turns (ms)")
    for heading in ("", "median", "ratio", "rounds"):
        shown.add_column(heading, justify="left" if not heading else "right")
    by_hand = median(found[0].rounds)
    for contender in found:
        middle = median(contender.rounds)
        rounds = "  ".join(f"{each * 1000:.0f}" for each in contender.rounds)
        shown.add_row(contender.name, f"{middle * 1000:.0f}", f"{middle / by_hand:.2f}", rounds)
    return shown


if __name__ == "__main__":
    leave(run(main))
