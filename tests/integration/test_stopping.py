"""Stopping (rules 6.10, 5.4): a daemon that ends hands its tasks back, an agent that is called back ends at once."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.workflow import ActivityCancellationType

from activities.steps import StepActivities
from daemon.__main__ import hand_back
from daemon.git.repositories import Repositories
from daemon.process import keeper
from domain.directive_settings import AgentChoice, Limits
from domain.errors import CannotServe, HandedBack
from domain.failures import FailureCategory
from domain.names import daemons_queue
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask, TaskStarted
from domain.statuses import TaskKind
from tests import forked
from tests.fixtures_stack import temporal_environment
from tests.forked import Forked, Program
from tests.integration.deliveries import OneDaemon, until
from tests.processes import with_word
from tests.relay import Relay

GitCommand = Callable[..., str]
HEARTBEAT = timedelta(seconds=5)


@workflow.defn
class OneStep:
    """Runs one step's attempt as a directive does."""

    @workflow.run
    async def run(self, command: SpawnTask, heartbeat: timedelta = HEARTBEAT) -> Outcome:
        outcome: Outcome = await workflow.execute_activity_method(
            StepActivities.execute_step,
            command,
            task_queue=daemons_queue(command.owner),
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=heartbeat,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=6),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        return outcome

    @workflow.signal
    def task_started(self, started: TaskStarted) -> None:
        """What the daemon tells a directive."""


class Daemons:
    """Daemons on machines of their own, for an owner whom no other test knows."""

    def __init__(self, folder: Path, client: Client, origin: Path) -> None:
        self.owner = f"owner-{uuid4().hex[:8]}"
        self.folder = folder
        self.task = uuid4()
        self._client = client
        self._origin = origin
        self._running: list[Forked] = []

    async def start(self, name: str, address: str = "", capacity: int = 2) -> Forked:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        settings = folder / "daemon.toml"
        settings.write_text(
            f'name = "{name}"\ncapacity = {capacity}\nserves = ["shell"]\nallow_local_repositories = true\n'
            'sandbox = "none"\nmin_free_disk_mb = 0\n'
        )
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKIMA_", "TEMPORAL_"))}
        env = {
            **kept,
            **temporal_environment(self._client, address),
            "MAKIMA_OWNER": self.owner,
            "MAKIMA_DATA_DIR": str(folder / "data"),
            "MAKIMA_DAEMON_CONFIG": str(settings),
            "MAKIMA_TEST_HEARTBEAT_THROTTLE": "1",
        }
        log = folder / "log"
        log.unlink(missing_ok=True)
        process = await asyncio.to_thread(forked.start, Program.DAEMON, (), env, folder, log, log)
        self._running.append(process)
        await until(lambda: b"serves" in log.read_bytes())
        return process

    async def end(self) -> None:
        for process in self._running:
            process.kill()
            await ended(process)

    async def begin(self, script: str, base: str, heartbeat: timedelta = HEARTBEAT) -> WorkflowHandle[OneStep, Outcome]:
        command = SpawnTask(
            task=self.task,
            name="House: build",
            kind=TaskKind.STEP,
            attempt=1,
            owner=self.owner,
            directive=uuid4(),
            directive_title="House",
            step=UUID(int=1),
            step_name="build",
            generation=1,
            prompt="",
            script=script,
            repository=f"file://{self._origin}",
            base_branch="main",
            base_commit=base,
            target_branch="makima/x",
            agent=AgentChoice(name="shell"),
            limits=Limits(time=timedelta(minutes=3)),
            pulse=timedelta(milliseconds=500),
            checkpoint_every=timedelta(minutes=2),
        )
        return await self._client.start_workflow(
            OneStep.run, args=[command, heartbeat], id=self.owner, task_queue=self.owner
        )


async def ended(process: Forked) -> int:
    """The exit code of one that ends by itself."""
    return await asyncio.to_thread(process.wait, 120)


@pytest_asyncio.fixture
async def daemons(temporal_server: WorkflowEnvironment, tmp_path: Path, origin: Path) -> AsyncIterator[Daemons]:
    made = Daemons(tmp_path / "machines", temporal_server.client, origin)
    made.folder.mkdir()
    runner = UnsandboxedWorkflowRunner()
    async with Worker(temporal_server.client, task_queue=made.owner, workflows=[OneStep], workflow_runner=runner):
        try:
            yield made
        finally:
            await made.end()


@pytest.fixture
def base(origin: Path, git: GitCommand) -> str:
    return git(origin, "rev-parse", "main")


def checkpoint_refs(git: GitCommand, origin: Path) -> list[str]:
    return git(origin, "for-each-ref", "--format=%(refname)", "refs/makima/checkpoints").splitlines()


def heads(git: GitCommand, origin: Path) -> list[str]:
    return git(origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()


def counting(folder: Path) -> str:
    """A script that notes each start and its end by SIGINT in `folder`, works until `go` is there, and can go on."""
    return f"""
trap 'date +%s.%N > {folder}/stopped; exit 1' INT
echo start >> {folder}/starts
test -e first || echo $$ > first
until test -e {folder}/go; do date +%s.%N > {folder}/alive; sleep 0.1; done
cp first second
"""


@contextmanager
def measured(most: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < most


@pytest.mark.rule("6.10")
async def test_a_daemon_that_is_told_to_end_hands_its_task_to_another_one(
    daemons: Daemons, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    first = await daemons.start("first")
    handle = await daemons.begin(counting(tmp_path), base)
    await until((tmp_path / "alive").exists)
    await daemons.start("second")
    first.send_signal(signal.SIGTERM)
    assert await ended(first) == 0, "1 where it did not end in time"
    await until(lambda: (tmp_path / "starts").read_text() == "start\nstart\n")
    (tmp_path / "go").touch()
    outcome = await handle.result()
    assert (outcome.status, outcome.daemon) == (OutcomeStatus.COMPLETED, "second")
    saved_by_the_first = git(origin, "show", "makima/x:first")
    assert saved_by_the_first == git(origin, "show", "makima/x:second")
    assert checkpoint_refs(git, origin) == []


@pytest.mark.rule("6.10")
async def test_a_second_signal_ends_a_daemon_at_once_and_its_agents_with_it(
    daemons: Daemons, tmp_path: Path, base: str
) -> None:
    daemon = await daemons.start("first")
    stubborn = (
        f"trap '' INT TERM; echo $$ > {tmp_path}/pid; while :; do date +%s.%N > {tmp_path}/alive; sleep 0.1; done"
    )
    await daemons.begin(stubborn, base)
    await until((tmp_path / "alive").exists)
    daemon.send_signal(signal.SIGTERM)
    log = daemons.folder / "first" / "log"
    await until(lambda: b"stops" in log.read_bytes())
    daemon.send_signal(signal.SIGTERM)
    assert await ended(daemon) == 1, "0 where it waited for the agent's end"
    assert b"did not end within" not in log.read_bytes()
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.rule("6.10")
async def test_a_cancel_reaches_the_agent_with_a_heartbeat_that_is_due_and_saves_its_work(
    daemons: Daemons, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    await daemons.start("first")
    # Without a throttle of our own the client would hold heartbeats back for a minute.
    handle = await daemons.begin(counting(tmp_path), base, timedelta(minutes=4))
    await until((tmp_path / "alive").exists)
    asked = time.time()
    await handle.cancel()
    outcome = await handle.result()
    assert (outcome.status, outcome.summary) == (OutcomeStatus.WAITING, "called back"), "with what it has used"
    assert float((tmp_path / "stopped").read_text()) - asked < 30
    [ref] = checkpoint_refs(git, origin)
    assert git(origin, "ls-tree", "--name-only", ref).splitlines() == ["README", "first"]
    assert heads(git, origin) == ["main"]


@pytest.mark.rule("9.2")
async def test_after_terminate_a_daemon_saves_a_checkpoint_and_stops(
    daemons: Daemons, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    await daemons.start("first")
    handle = await daemons.begin(counting(tmp_path), base)
    await until((tmp_path / "alive").exists)
    await handle.terminate()
    await until((tmp_path / "stopped").exists)
    await until(lambda: len(checkpoint_refs(git, origin)) == 1)
    assert heads(git, origin) == ["main"]


@pytest.mark.rule("6.8")
async def test_a_daemon_without_temporal_works_on_and_pushes_no_branch_once_another_one_has_the_attempt(
    daemons: Daemons, temporal_server: WorkflowEnvironment, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    async with Relay(temporal_server.client.service_client.config.target_host).serving() as relay:
        await daemons.start("first", relay.address)
        # Where heartbeats are late on a slow machine, the first one is told so before the cut, and then stops.
        handle = await daemons.begin(counting(tmp_path), base, timedelta(seconds=15))
        await until((tmp_path / "alive").exists)
        relay.cut()
        await daemons.start("second")
        await until(lambda: (tmp_path / "starts").read_text() == "start\nstart\n")
        assert not (tmp_path / "stopped").exists(), "without word from the server it goes on"
        relay.mend()
        await until((tmp_path / "stopped").exists)  # the first one's: the second one's agent works on
        await until(lambda: len(checkpoint_refs(git, origin)) == 1)
        assert heads(git, origin) == ["main"]
        (tmp_path / "go").touch()
        outcome = await handle.result()
    assert (outcome.status, outcome.daemon) == (OutcomeStatus.COMPLETED, "second")
    await until(lambda: checkpoint_refs(git, origin) == [])


@pytest.mark.rule("6.7")
@pytest.mark.rule("6.10")
async def test_a_daemon_that_starts_ends_what_outlived_its_predecessor_and_saves_its_work(
    daemons: Daemons, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    first = await daemons.start("first")
    handle = await daemons.begin(f"setsid sleep 600 & echo $! > {tmp_path}/stray\n{counting(tmp_path)}", base)
    await until((tmp_path / "alive").exists)
    keepers = [each.pid for each in with_word(psutil.Process(first.pid).children(), keeper.__file__)]
    first.kill()
    for pid in keepers:
        os.kill(pid, signal.SIGKILL)
    await ended(first)
    stray = psutil.Process(int((tmp_path / "stray").read_text()))
    assert stray.is_running(), "with daemon and keeper gone nothing has ended it"
    await daemons.start("first")
    await until(lambda: not stray.is_running())
    await until(lambda: (tmp_path / "starts").read_text() == "start\nstart\n")
    (tmp_path / "go").touch()
    assert (await handle.result()).status is OutcomeStatus.COMPLETED
    # It ran for less than the two minutes between checkpoints: what it had written was saved at the second start.
    assert git(origin, "show", "makima/x:first") == git(origin, "show", "makima/x:second")
    assert checkpoint_refs(git, origin) == []
    tasks = daemons.folder / "first" / "data" / "daemon" / "first" / "tasks"
    await until(lambda: len(list(tasks.glob("*/work"))) <= 1)


@pytest.fixture
def one(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path / "one", repositories, origin)


@pytest.mark.rule("6.10")
async def test_a_stopping_daemon_takes_nothing_and_hands_back_what_it_has(
    one: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    step: dict[str, Any] = {"kind": TaskKind.STEP, "base_commit": base, "target_branch": "makima/x"}
    began = tmp_path / "began"
    working = asyncio.create_task(one.does(f"echo 1 > file; touch {shlex.quote(str(began))}; exec sleep 60", **step))
    await until(began.exists)
    one.runner.stop()
    with pytest.raises(HandedBack, match="daemon here stops"):
        await working
    assert len(checkpoint_refs(git, origin)) == 1
    with pytest.raises(HandedBack):
        await one.runner.spawn(one.command(**step), one.delivery)


async def _failed() -> None:
    raise LookupError("the worker's own error")


@pytest.mark.rule("6.10")
async def test_a_worker_that_has_failed_is_told_once_the_tasks_of_the_others_are_handed_back(
    one: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    step: dict[str, Any] = {"kind": TaskKind.STEP, "base_commit": base, "target_branch": "makima/x"}
    began = tmp_path / "began"
    working = asyncio.create_task(one.does(f"echo 1 > file; touch {shlex.quote(str(began))}; exec sleep 600", **step))
    await until(began.exists)
    with pytest.raises(LookupError, match="the worker's own error"):
        await hand_back(one.runner, [], [asyncio.create_task(_failed()), asyncio.create_task(_over(working))])
    assert isinstance(working.exception(), HandedBack)
    assert len(checkpoint_refs(git, origin)) == 1


async def _over(working: asyncio.Task[Outcome]) -> None:
    await working


@pytest.mark.rule("5.7")
async def test_a_task_that_uses_too_much_memory_is_stopped_and_fails_with_the_end_of_its_log(
    one: OneDaemon, base: str
) -> None:
    one.max_task_memory = 64 * 1024 * 1024
    hungry = f"echo starting; {shlex.quote(sys.executable)} -c 'import time; x = bytearray(200 << 20); time.sleep(60)'"
    outcome = await one.does(hungry, TaskKind.STEP, base_commit=base, target_branch="makima/x")
    assert outcome.failure
    assert outcome.failure.category is FailureCategory.MEMORY
    assert "max_task_memory_mb" in outcome.failure.report
    assert "starting" in outcome.failure.report


@pytest.mark.rule("5.7")
@pytest.mark.parametrize(
    ("limits", "category"),
    [
        (Limits(time=timedelta(seconds=7)), FailureCategory.TIME_LIMIT),
        (Limits(time=timedelta(minutes=2), no_output=timedelta(seconds=7)), FailureCategory.NO_OUTPUT),
    ],
)
async def test_a_task_that_takes_too_long_or_says_nothing_is_stopped_and_fails_with_the_end_of_its_log(
    one: OneDaemon, base: str, limits: Limits, category: FailureCategory
) -> None:
    script = "echo last words; exec sleep 600"
    outcome = await one.does(script, TaskKind.STEP, base_commit=base, target_branch="makima/x", limits=limits)
    assert outcome.failure
    assert outcome.failure.category is category
    assert outcome.failure.report.endswith("last words")


@pytest.mark.rule("5.7")
async def test_a_machine_without_room_refuses_tasks_and_says_why(one: OneDaemon, base: str) -> None:
    one.min_free_disk = 2**60
    with pytest.raises(CannotServe, match=r"nearly full: \d+ MB are free at .*, less than min_free_disk_mb = "):
        await one.does("true", TaskKind.STEP, base_commit=base, target_branch="makima/x")
