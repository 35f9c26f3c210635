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
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

from rich.console import Console
from rich.table import Table

from bench.one_daemon import QuietDelivery, machine_at, step_command
from daemon.agents.command import CommandAgent
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.runner import Runner
from daemon.sandbox.sandbox import NoSandbox, Opening, Sandbox, SandboxMode, open_sandbox
from domain.errors import SettingsError
from runtime.exit import leave, run

FILES, FOLDERS = 20_000, 400
ROUNDS = 5
AIM = 1.3
STARTED = 'touch "$0"'
"""The agent: it says that it has been started, by a file's time."""


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
