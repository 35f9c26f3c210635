"""An agent makes the next start of the daemon wait (issue 11, 4): what it leaves on disk is saved in seconds, or set
aside, beside the taking of tasks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest

from daemon.doctor.checks import Wanted
from daemon.doctor.examination import Examination
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.machine import Machine
from daemon.process import keeper
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import NoSandbox, Sandbox
from daemon.saving.checkpoints import Checkpoints
from daemon.saving.rescue import Rescue
from daemon.saving.set_aside import TRIES, all_set_aside, begin_rescue
from daemon.settings import DaemonSettings
from daemon.workspace.workspace import Workspace
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.conftest import (
    cache,
    daemon_git,
    git,
    origin,
    repositories,
)
from tests.integration.deliveries import OneDaemon, until
from tests.integration.test_sandbox import SandboxMaker, make_sandbox
from tests.integration.test_stopping import Daemons, base, daemons, ended
from tests.processes import with_word

__all__ = ["base", "cache", "daemon_git", "daemons", "git", "make_sandbox", "origin", "repositories"]  # fixtures

pytestmark = pytest.mark.timeout(600)
GitCommand = Callable[..., str]

DEEP = f"""{sys.executable} -c 'import os; [(os.mkdir("d" * 200), os.chdir("d" * 200)) for _ in range(30)]'"""
BELOW = "import os, sys; [(os.mkdir('d'), os.chdir('d')) for _ in range(int(sys.argv[1]))]"
"""Folders in each other, with names so short that more levels have a path than Python has frames."""
DEEPER = f'{sys.executable} -c "{BELOW}"'
TRAPS = {
    "a configuration that is a pipe": "rm .git/config; mkfifo .git/config",
    "a HEAD that is a pipe": "rm .git/HEAD; mkfifo .git/HEAD",
    "an index that is a link without an end": "rm .git/index; ln -s /dev/zero .git/index",
    "no repository": "rm -rf .git",
    "lists and attributes that are pipes": "mkfifo .gitignore; mkdir sub; mkfifo sub/.gitattributes; echo x > sub/file",
    "a repository inside that is one": "git init -q inside; rm inside/.git/HEAD; mkfifo inside/.git/HEAD",
    "a file of a hundred gigabytes": "truncate -s 100G large",
    "folders deeper than a path": DEEP,
    "five thousand folders in each other": f"{DEEPER} 5000",
    "a repository of folders in each other": f"cd .git/refs/heads; {DEEPER} 3000; cd ../../objects/pack; {DEEPER} 3000",
    "a lock of folders in each other": f"mkdir .git/index.lock; cd .git/index.lock; {DEEPER} 3000",
    "a file of a terabyte": "truncate -s 1T large",
    "names that are not UTF-8": "touch \"$(printf 'a\\377b')\"",
}


@dataclass
class Left:
    """What daemons that died have left on this machine."""

    machine: Machine
    cache: RepositoryCache
    base: str

    async def folder(self, script: str, *, sandbox: Sandbox | None = None) -> tuple[Path, UUID]:
        """The folder of a delivery whose agent had written `saved`, and done what the script says."""
        one = OneDaemon(self.machine.tasks_folder.parent, self.machine.repositories, Path(self.cache.url.text))
        task = uuid4()
        given = {"task": task, "base_commit": self.base, "target_branch": "makima/x", "repository": self.cache.url.text}
        command = one.command(TaskKind.STEP, **given)
        parts = (GitIdentity(), sandbox or NoSandbox(), self.cache.folder)
        workspace = Workspace.make(self.machine.tasks_folder, command, task.hex[:8], *parts)
        await workspace.check_out(self.cache, self.base)
        workspace.note(began=self.base)
        acts = ["sh", "-ec", f"echo saved > saved\n{script}"]
        await asyncio.to_thread(partial(subprocess.run, acts, cwd=workspace.work_path, check=True))
        return workspace.path, task

    async def saved(self, task: UUID) -> str:
        newest = await Checkpoints(self.cache, str(task), 1).newest()
        assert newest, "nothing was saved"
        return (await self.cache.local("show", f"{newest.commit}:saved")).text


@pytest.fixture
async def left(tmp_path: Path, cache: RepositoryCache, repositories: Repositories, origin: Path) -> Left:
    one = OneDaemon(tmp_path / "one", repositories, origin)
    await one.does("true")
    head = await cache.branch_commit("main")
    assert head
    return Left(one.runner.machine, cache, head)


@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in TRAPS.items()])
async def test_what_is_left_is_saved_in_seconds_whatever_was_laid_there(left: Left, script: str) -> None:
    folder, task = await left.folder(script)
    # An end of its own, for a loaded machine; what defeats it is set aside below.
    rescue = Rescue(left.machine, within=400)
    await asyncio.gather(rescue.run(), rescue.of(task, 1))
    assert await left.saved(task) == "saved"
    assert not (folder / "work").exists(), "the remote has it all"
    assert all_set_aside(left.machine.tasks_folder) == {}


async def test_it_is_saved_in_the_sandbox_where_links_lead_nowhere(
    left: Left, make_sandbox: SandboxMaker, tmp_path: Path
) -> None:
    secret = tmp_path / "private"
    secret.mkdir()
    (secret / "config").write_text("swordfish")
    machine = left.machine
    object.__setattr__(machine, "sandbox", make_sandbox(hidden=(tmp_path,)))
    script = f"rm -rf .git; ln -s {secret} .git; ln -s {secret} linked"
    _, task = await left.folder(script, sandbox=machine.sandbox)
    await Rescue(machine).run()
    assert await left.saved(task) == "saved"
    newest = await Checkpoints(left.cache, str(task), 1).newest()
    assert newest
    listed = (await left.cache.local("ls-tree", "-r", newest.commit)).text
    assert "120000" in listed, "a link is saved as a link"
    assert "linked/" not in listed


async def test_a_folder_that_defeats_the_rescue_is_set_aside_and_holds_up_nobody(left: Left, tmp_path: Path) -> None:
    defeated, of_it = await left.folder("cd ..; rm -rf work; touch work")
    _, healthy = await left.folder("true")
    rescue = Rescue(left.machine)
    await asyncio.wait_for(rescue.of(uuid4(), 1), 60)  # a delivery of another attempt waits for nothing
    await asyncio.gather(rescue.run(), rescue.of(of_it, 1))
    assert await left.saved(healthy) == "saved"
    reasons = all_set_aside(left.machine.tasks_folder)
    assert list(reasons) == [defeated]
    assert "worktree" in reasons[defeated]
    before = (defeated / "rescue.json").stat().st_mtime_ns
    await Rescue(left.machine).run()
    assert (defeated / "rescue.json").stat().st_mtime_ns == before, "no later start tries it again"


async def test_a_folder_that_takes_too_long_is_set_aside(left: Left) -> None:
    folder, _ = await left.folder("true")
    await Rescue(left.machine, within=0.01).run()
    assert "longer than" in all_set_aside(left.machine.tasks_folder)[folder]
    before = (folder / "rescue.json").stat().st_mtime_ns
    await Rescue(left.machine).run()
    assert (folder / "rescue.json").stat().st_mtime_ns == before, "no later start tries it again"
    assert (folder / "work" / "saved").exists()


async def test_a_folder_during_which_the_daemon_has_ended_too_often_is_set_aside(left: Left) -> None:
    folder, _ = await left.folder("true")
    for _ in range(TRIES):
        assert begin_rescue(folder) == "", "it ended for reasons of its own, perhaps"
    await Rescue(left.machine).run()
    assert "the daemon has ended" in all_set_aside(left.machine.tasks_folder)[folder]


async def test_doctor_names_what_is_set_aside(left: Left, tmp_path: Path) -> None:
    folder, _ = await left.folder("cd ..; rm -rf work; touch work")
    await Rescue(left.machine).run()
    home = tmp_path / "data" / "daemon" / "here"
    home.mkdir(parents=True)
    (home / "tasks").symlink_to(left.machine.tasks_folder)
    own = DaemonSettings(name="here", serves=(), agents={})
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    health = await Examination(own, tmp_path / "data", environ, there).examine(Wanted())
    [told] = [check for check in health.checks if check.about == "unsaved work"]
    assert folder.name in told.found
    assert "restore" in told.remedy


async def there() -> None:
    """Temporal answers."""


AGAIN = """
if test -e first; then until test -e {go}; do sleep 0.05; done; cp first second; exit; fi
echo one > first
rm .git/config .git/HEAD; mkfifo .git/config .git/HEAD .gitignore
touch {laid}
exec sleep 600
"""


@pytest.mark.rule("6.7")
async def test_a_daemon_that_starts_among_pipes_takes_tasks_at_once_and_goes_on_with_what_was_written(
    daemons: Daemons, tmp_path: Path, origin: Path, git: GitCommand, base: str
) -> None:
    first = await daemons.start("first")
    handle = await daemons.begin(AGAIN.format(go=tmp_path / "go", laid=tmp_path / "laid"), base)
    await until((tmp_path / "laid").exists)
    keepers = [each.pid for each in with_word(psutil.Process(first.pid).children(), keeper.__file__)]
    first.kill()
    for pid in keepers:
        os.kill(pid, signal.SIGKILL)
    await ended(first)
    began = time.monotonic()
    await daemons.start("first")
    assert time.monotonic() - began < 30
    (tmp_path / "go").touch()
    outcome = await handle.result()
    assert outcome.status is OutcomeStatus.COMPLETED
    assert git(origin, "show", "makima/x:first") == git(origin, "show", "makima/x:second") == "one"
