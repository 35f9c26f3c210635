"""An attempt whose deliveries its server loses: the test is the server (rule 5.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.git.repositories import Repositories
from domain.errors import AttemptGone
from domain.spawn_task import Outcome, SpawnTask
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon, RememberedDelivery, until

GitCommand = Callable[..., str]

LONG = 60.0
"""Seconds for a successor that comes; a test that waits as long has failed."""


class LosableAttempt:
    """One attempt of a step on one daemon, and its deliveries. Its agent writes its pid into `pids`, and in the
    worktree a file before and after it was let `go`.
    """

    def __init__(self, folder: Path, repositories: Repositories, origin: Path, git: GitCommand) -> None:
        self.folder = folder
        self.one = OneDaemon(folder / "one", repositories, origin)
        self.command: SpawnTask
        self._base = git(origin, "rev-parse", "main")

    def prepare(self, end: str = "", beginning: str = "", **fields: Any) -> None:
        """`beginning` and `end`: what the agent does before it waits to be let go, and after."""
        given = {"step_name": "A step", "base_commit": self._base, "target_branch": "makima/step"}
        timing = {"pulse": timedelta(milliseconds=50), "settle": timedelta(milliseconds=50)}
        self.one.starts_with(
            f"trap 'touch {self.folder}/stopped; exit 1' INT\necho $$ >> {self.folder}/pids\n"
            f"test -e first || echo $$ > first\necho began\n{beginning}\n"
            f"until test -e {self.folder}/go; do sleep 0.02; done\n{end}\necho went on\ncp first second\n"
        )
        self.command = self.one.command(TaskKind.STEP, **{**given, **timing, **fields})

    async def delivered(self) -> tuple[RememberedDelivery, asyncio.Task[Outcome]]:
        """A delivery that the server may lose, under way."""
        delivery = RememberedDelivery()
        delivery.successor_within = LONG
        running = asyncio.create_task(self.one.runner.spawn(self.command, delivery))
        await asyncio.sleep(0)
        return delivery, running

    async def begun(self) -> tuple[RememberedDelivery, asyncio.Task[Outcome]]:
        delivery, running = await self.delivered()
        await until(lambda: running.done() or bool(self.pids))
        return delivery, running

    @property
    def pids(self) -> list[str]:
        """Of all agents that were started so far."""
        file = self.folder / "pids"
        return file.read_text().split() if file.exists() else []

    @property
    def was_stopped(self) -> bool:
        return (self.folder / "stopped").exists()

    def go(self) -> None:
        (self.folder / "go").touch()


@pytest.fixture
def attempt(tmp_path: Path, repositories: Repositories, origin: Path, git: GitCommand) -> LosableAttempt:
    return LosableAttempt(tmp_path, repositories, origin, git)


async def lost(running: asyncio.Task[Outcome]) -> None:
    """The server tells the daemon that it knows nothing of this delivery: it ends at once, whatever its work does."""
    running.cancel()
    with pytest.raises(AttemptGone):
        await asyncio.wait_for(running, LONG / 2)


def checkpoints(git: GitCommand, origin: Path) -> list[str]:
    return git(origin, "for-each-ref", "--format=%(refname)", "refs/makima/checkpoints").splitlines()


def branches(git: GitCommand, origin: Path) -> list[str]:
    return git(origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
