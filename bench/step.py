"""A whole step on a tiny repository, against what a person types: fetch, worktree, commit, push.

`python -m bench.step [ROUNDS]` runs both by turns, without and with the sandbox, and counts what a step starts and how
often it talks with the remote. docs/benchmarks.md says what was seen.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

from rich.console import Console
from rich.table import Table

from bench.cold_start import QuietDelivery, git, machine_at, step_command
from bench.figures import Figure
from daemon.agents.command import CommandAgent
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.process import keeper
from daemon.runner import Runner
from daemon.sandbox.sandbox import NoSandbox, Opening, Sandbox, SandboxMode, open_sandbox
from domain.errors import SettingsError
from runtime.exit import leave, run

ROUNDS = 15
BY_HAND = 0.045
"""Seconds, on the machine that the aims of 0.3 and 0.4 s were set for."""
AIM, AIM_BOXED = 0.3 / BY_HAND, 0.4 / BY_HAND
"""Of the same by hand."""
AGENT = "echo done > done.txt"
TALKS = ("ls-remote", "fetch", "push")


@dataclass(frozen=True)
class Contender:
    name: str
    run: Callable[[int], Awaitable[float]]
    """Seconds of a round."""
    rounds: list[float] = field(default_factory=list)


class Started:
    """What this process starts itself, and has a task's keeper start, by Python's audit hook."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[object, ...]) -> None:
        if event == "subprocess.Popen":
            words = [os.fsdecode(word) for word in args[1] if isinstance(word, str | bytes)]  # type: ignore[attr-defined]
            self.counted["processes"] += 1
            self.counted["talks"] += any(word in TALKS for word in words[:8])
        self.counted["kept"] += event == "socket.sendmsg"  # a request to a task's keeper


class ByHand:
    """`git fetch`, `git worktree add`, the change, `git commit` and `git push`, in a clone."""

    def __init__(self, folder: Path, origin: Path) -> None:
        self._folder, self._clone = folder, folder / "clone"
        git(folder, "clone", "--quiet", str(origin), str(self._clone))

    async def run(self, number: int) -> float:
        return await asyncio.to_thread(self._run, number)

    def _run(self, number: int) -> float:
        worktree, branch = self._folder / f"by-hand-{number}", f"by-hand-{number}"
        began = time.perf_counter()
        git(self._clone, "fetch", "--quiet")
        git(self._clone, "worktree", "add", "--quiet", "-b", branch, str(worktree), "origin/main")
        subprocess.run(["sh", "-c", AGENT], cwd=worktree, check=True)
        git(worktree, "add", "--all")
        git(worktree, "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "--quiet", "-m", "done")
        git(worktree, "push", "--quiet", "origin", branch)
        return time.perf_counter() - began


class ByDaemon:
    """The same by a daemon that knows the repository: dispatch, worktree, agent, judgement, outcome, push."""

    def __init__(self, folder: Path, origin: Path, repositories: Repositories, sandbox: Sandbox) -> None:
        self._origin, self._base = origin, git(origin, "rev-parse", "main")
        self._machine = machine_at(
            folder, repositories, sandbox, CommandAgent(kind="command", argv=("sh", "-c", AGENT))
        )

    async def run(self, number: int) -> float:
        command = step_command(UUID(int=number), f"file://{self._origin}", self._base)
        runner = Runner(self._machine)
        began = time.perf_counter()
        outcome = await runner.spawn(command, QuietDelivery())
        assert outcome.failure is None, outcome
        return time.perf_counter() - began


FIRST = """\
commit refs/heads/main
committer b <b@localhost> 0 +0000
data 5
first
M 644 inline README
data 3
hi
"""


def make_origin(folder: Path) -> Path:
    """A bare repository of one small commit."""
    origin = folder / "origin.git"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=origin, input=FIRST.encode(), check=True)
    return origin


async def contenders(folder: Path) -> list[Contender]:
    origin = await asyncio.to_thread(make_origin, folder)
    own = Git(folder / "git", dict(os.environ), allow_local=True)
    await own.prepare()
    repositories = Repositories(own, folder / "caches")
    await (await repositories.at(f"file://{origin}")).fetch()
    found = [Contender("by hand", ByHand(folder, origin).run)]
    modes: dict[str, Sandbox] = {"without sandbox": NoSandbox()}
    with suppress(SettingsError):
        opening = Opening(hidden=(folder,))
        modes["with bubblewrap"] = await open_sandbox(SandboxMode.REQUIRED, opening, scratch=folder, environ=os.environ)
    for name, sandbox in modes.items():
        ours = ByDaemon(folder / name.replace(" ", "-"), origin, repositories, sandbox)
        found.append(Contender(f"a step, {name}", ours.run))
    return found


async def measured(rounds: int, started: Started) -> tuple[list[Contender], dict[str, Counter[str]]]:
    """All rounds, by turns, and what the last one of each has started."""
    keeper.become_subreaper()
    with TemporaryDirectory() as made:
        found = await contenders(Path(made))
        counts: dict[str, Counter[str]] = {}
        for number in range(1, rounds + 2):  # the first one warms up
            for index, each in enumerate(found):
                started.counted.clear()
                each.rounds.append(await each.run(10 * number + index))
                counts[each.name] = Counter(started.counted)
    return found, counts


async def figures() -> list[Figure]:
    """For `python -m bench`: the medians, and what is started."""
    (by_hand, *ours), counts = await measured(ROUNDS, Started())
    beside = median(by_hand.rounds[1:])
    aims = (("step", AIM), ("step, boxed", AIM_BOXED))
    times = [
        Figure(name=name, ours=median(each.rounds[1:]), unit="s", beside=beside, beside_what=by_hand.name, aim=aim)
        for (name, aim), each in zip(aims, ours, strict=False)
    ]
    started = counts[ours[0].name]
    return [
        *times,
        Figure(name="step, processes of the daemon", ours=started["processes"], unit=""),
        Figure(name="step, commands where an agent has been", ours=started["kept"], unit=""),
    ]


async def main() -> int:
    """Prints the table; 1 where an aim is missed on this machine, at this moment."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    console = Console()
    found, counts = await measured(rounds, Started())
    by_hand = median(found[0].rounds[1:])
    table = Table("", "median", "best", "to by hand", "processes of the daemon", "by keepers", "talks with the remote")
    for each in found:
        middle, counted = median(each.rounds[1:]), counts[each.name]
        own = [str(counted[what]) for what in ("processes", "kept", "talks")] if each is not found[0] else ["", "", "2"]
        table.add_row(each.name, f"{middle:.3f} s", f"{min(each.rounds):.3f} s", f"{middle / by_hand:.1f}", *own)
    console.print(table)
    aims = zip(found[1:], (AIM, AIM_BOXED), strict=False)
    return int(any(median(each.rounds[1:]) > aim * by_hand for each, aim in aims))


if __name__ == "__main__":
    leave(run(main))
