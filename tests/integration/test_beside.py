"""What a daemon does beside an agent goes on after a failure: checkpoints, beats, questions, what is used."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.agents.base import PlainStream, StreamSummary
from daemon.core.reporting import Heartbeat
from daemon.git.repositories import Repositories
from daemon.logs.task_log import TaskLog
from daemon.session.follower import Follower
from daemon.workspace.delivery_note import FILE
from domain.daemon_messages import UsageReport, UsedBeside
from domain.models import Question
from domain.progress import Progress
from domain.spawn_task import Outcome
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon, RememberedCore, RememberedDelivery, until

pytestmark = pytest.mark.rule("6.11")


class Defects:
    """The first call of each name fails as only a defect does."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def meet(self, name: str) -> None:
        if name not in self.seen:
            self.seen.add(name)
            raise RuntimeError(f"a defect of {name}")


class DefectiveDelivery(RememberedDelivery):
    def __init__(self) -> None:
        super().__init__()
        self._defects = Defects()

    def beat(self, progress: Progress) -> None:
        self._defects.meet("beat")
        super().beat(progress)

    async def ask(self, question: Question) -> None:
        self._defects.meet("ask")
        await super().ask(question)


class DefectiveCore(RememberedCore):
    def __init__(self) -> None:
        super().__init__()
        self._defects = Defects()

    async def report_usage(self, report: UsageReport) -> UsedBeside:
        self._defects.meet("report_usage")
        return await super().report_usage(report)


@pytest.fixture
def daemon(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path, repositories, origin)


def waits_for(path: Path) -> str:
    return f"until test -e {shlex.quote(str(path))}; do sleep 0.05; done"


async def working(daemon: OneDaemon, script: str, delivery: RememberedDelivery) -> asyncio.Task[Outcome]:
    """A step whose agent is the script, at a daemon that has just started."""
    daemon.starts_with(script)
    soon = timedelta(seconds=0.2)
    step = {"task": uuid4(), "step_name": "A step", "target_branch": "makima/step", "base_commit": await daemon.base()}
    command = daemon.command(TaskKind.STEP, pulse=soon, checkpoint_every=soon, **step)
    return asyncio.create_task(daemon.runner.spawn(command, delivery))


async def test_beats_questions_and_what_is_used_are_told_after_a_defect(daemon: OneDaemon, tmp_path: Path) -> None:
    go, delivery = tmp_path / "go", DefectiveDelivery()
    daemon.core = DefectiveCore()
    script = f"makima directive ask 'Red?' --wait-seconds 0 || true; {waits_for(go)}; echo 1 > file"
    running = await working(daemon, script, delivery)
    await until(lambda: bool(delivery.beats and delivery.asked and daemon.core.usage))
    go.touch()
    await running


async def test_checkpoints_are_made_after_one_has_failed(
    daemon: OneDaemon, tmp_path: Path, origin: Path, git: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    began, go = tmp_path / "began", tmp_path / "go"
    running = await working(daemon, f"touch {began}; {waits_for(go)}; echo 1 > file; exec sleep 300", daemon.delivery)
    await until(began.exists)
    [note] = daemon.tasks.glob(f"*/{FILE}")
    away = note.rename(tmp_path / "note")
    await until(lambda: "No such file or directory" in caplog.text)
    away.rename(note)
    go.touch()
    await until(lambda: "file" in saved(git, origin))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def saved(git: Callable[..., str], origin: Path) -> list[str]:
    """The files of the checkpoint that the remote has."""
    refs = git(origin, "for-each-ref", "--format=%(refname)", "refs/makima/checkpoints").split()
    return git(origin, "ls-tree", "-r", "--name-only", refs[0]).splitlines() if refs else []


async def test_a_run_that_can_be_watched_no_more_is_stopped(daemon: OneDaemon, tmp_path: Path) -> None:
    def check(seen: StreamSummary) -> str:
        raise RuntimeError("a defect of check")

    command = daemon.command(TaskKind.STEP)
    heartbeat = Heartbeat(daemon.delivery, "here")
    log = TaskLog(tmp_path / "log.txt", command, daemon.delivery.name, daemon.core)
    given: dict[str, Any] = {"phase": "", "decide": None, "raw": tmp_path / "raw", "worktree": str(tmp_path)}
    follower = Follower(PlainStream(), log, heartbeat, check=check, **given)
    with pytest.raises(RuntimeError, match="a defect of check"):
        async with asyncio.timeout(60), log.sending(), follower.following():
            await follower.stop.wait()
