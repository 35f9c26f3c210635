"""Work that is done, and whose delivery loses its attempt before the remote can be told (rules 6.8, 6.12)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.saving.housekeeping import Housekeeper, Keeping
from daemon.workspace import delivery_note
from domain.errors import AttemptGone
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon

GitCommand = Callable[..., str]


class Machine:
    """A daemon with a cache and a house of its own."""

    def __init__(self, folder: Path, daemon_git: Git, origin: Path) -> None:
        self.caches = folder / "repositories"
        repositories = Repositories(daemon_git, self.caches)
        self.daemon = OneDaemon(folder, repositories, origin)
        self.housekeeper = Housekeeper(self.daemon.tasks, repositories, Keeping())

    async def does(self, script: str, **fields: Any) -> Outcome:
        """A step, always the same attempt."""
        given = {"step_name": "A step", "base_commit": await self.daemon.base(), "target_branch": "makima/step"}
        return await self.daemon.does(script, TaskKind.STEP, **given, **fields)

    async def loses(self, script: str) -> None:
        """The same, but at its end the attempt turns out to be another delivery's."""
        self.daemon.gone = True
        with pytest.raises(AttemptGone):
            await self.does(script)
        self.daemon.gone = False

    def ended(self, hours_ago: float) -> None:
        """Have its deliveries ended so long ago."""
        at = time.time() - hours_ago * 3600
        for folder in self.daemon.tasks.iterdir():
            os.utime(folder / delivery_note.FILE, (at, at))

    def kept(self, git: GitCommand) -> list[str]:
        """The refs of ours in its cache."""
        (cache,) = self.caches.glob("*.git")
        return git(cache, "for-each-ref", "--format=%(refname)", "refs/makima").splitlines()


@pytest.fixture
def one(tmp_path: Path, daemon_git: Git, origin: Path) -> Machine:
    return Machine(tmp_path / "one", daemon_git, origin)


@pytest.fixture
def other(tmp_path: Path, daemon_git: Git, origin: Path) -> Machine:
    return Machine(tmp_path / "other", daemon_git, origin)


@pytest.mark.rule("6.8")
async def test_what_a_lost_delivery_had_finished_is_published_by_the_next_one_and_no_agent_runs(
    one: Machine, git: GitCommand, origin: Path, tmp_path: Path
) -> None:
    await one.loses(f"echo done > result; echo ran >> {tmp_path}/runs")
    assert "makima/step" not in git(origin, "for-each-ref")
    done = await one.does(f"echo ran >> {tmp_path}/runs")
    assert done.status is OutcomeStatus.COMPLETED and done.work
    assert git(origin, "show", "makima/step:result") == "done"
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert one.kept(git) == []
    assert git(origin, "for-each-ref", "refs/makima/checkpoints") == ""


@pytest.mark.rule("6.8")
async def test_a_failure_that_could_not_be_told_is_told_by_the_next_delivery(one: Machine, tmp_path: Path) -> None:
    await one.loses("exit 3")
    told = await one.does("touch result")
    assert told.failure and told.failure.category == "agent"


@pytest.mark.rule("6.8")
@pytest.mark.rule("6.12")
async def test_what_another_machine_has_published_meanwhile_counts_and_nothing_is_left_here(
    one: Machine, other: Machine, git: GitCommand, origin: Path
) -> None:
    await one.loses("echo one > result")
    assert await other.does("echo other > result")
    assert one.kept(git), "it waits for the attempt to come back"
    await one.housekeeper.clean()
    assert one.kept(git) == []
    assert (await one.does("echo one > result")).work
    assert git(origin, "show", "makima/step:result") == "other"


@pytest.mark.rule("6.12")
async def test_what_nobody_comes_back_for_goes_with_its_log_unless_it_is_work_that_is_nowhere_else(
    one: Machine, git: GitCommand, origin: Path
) -> None:
    await one.loses("exit 3")
    await one.housekeeper.clean()
    assert one.kept(git), "the attempt may come back"
    one.ended(hours_ago=7 * 24)
    assert len(await one.housekeeper.clean()) == 1
    assert one.kept(git) == []

    await one.loses("echo one > result")
    for ref in git(origin, "for-each-ref", "--format=%(refname)", "refs/makima").splitlines():
        git(origin, "update-ref", "-d", ref)
    one.ended(hours_ago=7 * 24)
    await one.housekeeper.clean()
    assert "finished" in [ref.split("/")[2] for ref in one.kept(git)]


@pytest.mark.rule("6.12")
async def test_the_checkpoint_of_work_that_went_on_elsewhere_goes_from_this_machine(
    one: Machine, other: Machine, git: GitCommand, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    working = asyncio.create_task(one.does(f"touch half; touch {began}; sleep 60"))
    while not began.exists():
        await asyncio.sleep(0.02)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert [ref.split("/")[2] for ref in one.kept(git)] == ["checkpoints"]
    assert (await other.does("touch whole")).work
    await one.housekeeper.clean()
    assert one.kept(git) == []
