"""How many processes a step starts: on a small repository they are all that it takes (docs/benchmarks.md)."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon
from tests.needs import need_sandbox

LOGGED = """\
#!/bin/sh
echo "$*" >> {log}
exec {real} "$@"
"""


class Started:
    """What this process starts itself, and what it has a task's keeper start, by Python's audit hook."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.is_on = False
        sys.addaudithook(self._hear)  # it can't be taken away again

    def _hear(self, event: str, args: tuple[object, ...]) -> None:
        if self.is_on:
            self.counted[event] += event in ("subprocess.Popen", "socket.sendmsg")
            self.counted["python"] += event == "subprocess.Popen" and args[0] == sys.executable


@dataclass
class Counts:
    daemon: int
    """That the daemon starts itself."""
    kept: int
    """Commands where an agent has been, each below a keeper and, where there is one, in a sandbox of its own."""
    git: int
    """Of these, and of what they start, those that are git; where there is a sandbox, outside of it."""
    python: int
    """That the daemon starts itself: the forking keeper, the agent's own, the search for secrets, and a sandbox's door.
    One more is among those kept: the program that saves files.
    """


MOST = Counts(daemon=18, kept=4, git=40, python=3)
MOST_BOXED = Counts(daemon=19, kept=4, git=18, python=4)
"""Each is two to twenty milliseconds, or more where there is a sandbox. More is a regression; less belongs here."""


class GitLog:
    """A line for each start of git."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.touch()

    def clear(self) -> None:
        self.path.write_text("")

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitLog:
    """Where each start of git leaves a line."""
    real, shims, log = shutil.which("git"), tmp_path / "shims", tmp_path / "log"
    shims.mkdir()
    shim = shims / "git"
    shim.write_text(LOGGED.format(log=log, real=real))
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shims}:{os.environ['PATH']}")
    return GitLog(log)


@pytest.mark.rule("6.8")
@pytest.mark.parametrize("is_boxed", [False, True])
async def test_a_step_starts_no_more_processes_than_are_counted_here(
    is_boxed: bool, tmp_path: Path, origin: Path, log: GitLog
) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    own = Git(tmp_path / "own", environ, allow_local=True)
    await own.prepare()
    repositories, started = Repositories(own, tmp_path / "caches"), Started()
    daemon = OneDaemon(tmp_path, repositories, origin)
    if is_boxed:
        daemon.more["sandbox"] = await need_sandbox(tmp_path)
    base = await daemon.base()
    found: list[Counts] = []
    for _ in range(2):  # the first one compiles what the second one has
        log.clear()
        started.counted.clear()
        given = {"task": uuid4(), "step_name": "A step", "base_commit": base}
        started.is_on = True
        outcome = await daemon.does("echo done > done", TaskKind.STEP, target_branch=f"makima/{uuid4()}", **given)
        started.is_on = False
        assert outcome.status is OutcomeStatus.COMPLETED
        processes, kept = started.counted["subprocess.Popen"], started.counted["socket.sendmsg"]
        found.append(Counts(processes, kept, len(log.lines()), started.counted["python"]))
    assert found[-1] == (MOST_BOXED if is_boxed else MOST), log.lines()
