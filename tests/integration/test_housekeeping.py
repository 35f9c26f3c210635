"""How long a machine keeps worktrees, and what is safe to go (rule 6.12)."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from daemon.git import cache_lock
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.git.state_refs import REFS
from daemon.process.run import run
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import NoSandbox
from daemon.saving.housekeeping import Cleaned, Housekeeper, Keeping, is_on_remote
from daemon.saving.restoring import Restorer
from daemon.workspace import delivery_note
from domain.errors import Refused
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon, until

pytestmark = pytest.mark.rule("6.12")
GitCommand = Callable[..., str]
HOUR = 3600


class Machine:
    """A daemon that runs steps, and what keeps house for it."""

    def __init__(self, folder: Path, repositories: Repositories, origin: Path) -> None:
        self.origin = origin
        self.repositories = repositories
        self.daemon = OneDaemon(folder, repositories, origin)
        self.housekeeper = Housekeeper(self.daemon.tasks, repositories, Keeping())
        self.target = folder / "restored"
        self.restorer = Restorer(self.daemon.tasks, self.target, repositories, GitIdentity(), NoSandbox())

    async def does(self, script: str, task: UUID | None = None, **fields: object) -> Outcome:
        base = await self.daemon.base()
        given = {"task": task or uuid4(), "step_name": "A step", "base_commit": base, "target_branch": "makima/step"}
        return await self.daemon.does(script, TaskKind.STEP, **{**given, **fields})

    @property
    def folders(self) -> list[Path]:
        return sorted(self.daemon.tasks.iterdir())

    def ended(self, hours_ago: float) -> None:
        """Have all of them ended so long ago."""
        for folder in self.folders:
            at = time.time() - hours_ago * HOUR
            os.utime(folder / delivery_note.FILE, (at, at))


@pytest.fixture
def machine(tmp_path: Path, repositories: Repositories, origin: Path) -> Machine:
    return Machine(tmp_path, repositories, origin)


async def test_a_worktree_stays_for_a_day_after_success_and_goes_then(machine: Machine) -> None:
    assert (await machine.does("touch result")).status is OutcomeStatus.COMPLETED
    (folder,) = machine.folders
    machine.ended(hours_ago=23.9)
    assert await machine.housekeeper.clean() == []
    assert (folder / "work" / "result").exists()
    machine.ended(hours_ago=24)
    assert await machine.housekeeper.clean() == [Cleaned(folder)]
    assert machine.folders == []


async def test_a_worktree_stays_for_a_week_after_failure_and_goes_then(machine: Machine) -> None:
    assert (await machine.does("touch part; exit 1")).failure
    machine.ended(hours_ago=7 * 24 - 0.1)
    assert await machine.housekeeper.clean() == []
    machine.ended(hours_ago=7 * 24)
    # Its work was published with the outcome, though on no branch.
    (folder,) = machine.folders
    assert await machine.housekeeper.clean() == [Cleaned(folder)]


async def test_read_only_folders_and_links_are_removed_and_what_links_lead_to_stays(
    machine: Machine, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o500)
    await machine.does(f"mkdir -p cache/deep && touch cache/deep/file && ln -s {kept} link && chmod -R a-w cache")
    assert len(await machine.housekeeper.clean(at_once=True)) == 1
    assert machine.folders == []
    assert kept.stat().st_mode & 0o777 == 0o500


async def test_nothing_goes_before_the_remote_has_it(machine: Machine, git: GitCommand, origin: Path) -> None:
    done = await machine.does("touch result")
    assert done.work
    for ref in git(origin, "for-each-ref", "--format=%(refname)").splitlines():
        if ref != "refs/heads/main":
            git(origin, "update-ref", "-d", ref)
    (cleaned,) = await machine.housekeeper.clean(at_once=True)
    assert cleaned.kept_because.startswith(f"its commit {done.work.head} is not on")
    assert machine.folders
    # It comes back below the work of another, on a branch of any name.
    git(origin, "fetch", "--quiet", str(machine.folders[0] / "work"), done.work.head)
    later = git(origin, "commit-tree", f"{done.work.head}^{{tree}}", "-p", done.work.head, "-m", "later")
    git(origin, "update-ref", "refs/heads/any/name", later)
    assert [each.kept_because for each in await machine.housekeeper.clean(at_once=True)] == [""]
    assert machine.folders == []


async def test_what_was_seen_once_may_go_after_the_branches_of_a_merged_pull_request_are_deleted(
    machine: Machine, git: GitCommand, origin: Path
) -> None:
    await machine.does("touch result")
    machine.ended(hours_ago=1)
    assert await machine.housekeeper.clean() == []
    for ref in git(origin, "for-each-ref", "--format=%(refname)", "refs/makima", "refs/heads/makima").splitlines():
        git(origin, "update-ref", "-d", ref)
    assert await machine.housekeeper.clean() == []
    machine.ended(hours_ago=24)
    (folder,) = machine.folders
    assert await machine.housekeeper.clean() == [Cleaned(folder)]


async def test_a_remote_that_is_away_keeps_everything_here(machine: Machine, origin: Path) -> None:
    await machine.does("touch result")
    away = origin.with_suffix(".away")
    shutil.move(origin, away)
    (cleaned,) = await machine.housekeeper.clean(at_once=True)
    assert "does not appear to be a git repository" in cleaned.kept_because
    assert machine.folders
    shutil.move(away, origin)
    assert await machine.housekeeper.clean(at_once=True)
    assert machine.folders == []


async def test_a_delivery_that_has_not_ended_is_left_alone(machine: Machine) -> None:
    seen: list[list[Cleaned]] = []
    running = asyncio.create_task(machine.does("while ! test -e go; do sleep 0.05; done; touch result"))
    while not list(machine.daemon.tasks.glob("*/task/log.txt")):
        await asyncio.sleep(0.02)
    seen.append(await machine.housekeeper.clean(at_once=True))
    while not (works := list(machine.daemon.tasks.glob("*/work/README"))):
        await asyncio.sleep(0.02)
    machine.ended(hours_ago=1000)
    seen.append(await machine.housekeeper.clean(at_once=True))
    (works[0].parent / "go").touch()
    assert (await running).status is OutcomeStatus.COMPLETED
    assert seen == [[], []]


async def handed_back(running: asyncio.Task[Outcome], mark: Path) -> None:
    """Its delivery is called back as soon as there is this file."""
    await until(lambda: mark.exists() or running.done())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_could_not_be_saved_of_work_that_was_handed_back_goes_after_a_week(
    machine: Machine, git: GitCommand, repositories: Repositories, tmp_path: Path
) -> None:
    """No later start of the daemon is needed for it, and its checkpoint does not stay in the cache for ever."""
    mark = tmp_path / "begun"
    running = asyncio.create_task(machine.does(f"git init -q part; touch part/x result {mark}; sleep 600"))
    await handed_back(running, mark)
    (folder,) = machine.folders
    assert (folder / "work" / "part" / "x").exists()
    assert "checkpoints" in git(machine.origin, "for-each-ref")
    assert await machine.housekeeper.clean() == []
    assert git(repositories.folder_of(f"file://{machine.origin}"), "for-each-ref", "refs/makima/checkpoints") == ""
    machine.ended(hours_ago=7 * 24)
    assert await machine.housekeeper.clean() == [Cleaned(folder)]


async def test_work_that_is_handed_back_while_its_checkpoints_go_has_ended(machine: Machine, tmp_path: Path) -> None:
    mark, go = tmp_path / "mark", tmp_path / "go"
    hook = machine.origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f'#!/bin/sh\ncase "$1 $3" in refs/makima/checkpoints/*" 00000000"*) touch {mark}\n'
        f"for each in $(seq 600); do test -e {go} && exit; sleep 0.1; done;; esac\n"
    )
    hook.chmod(0o755)
    saved = f"until git -C {machine.origin} for-each-ref | grep -q makima/checkpoints; do sleep 0.05; done"
    often = timedelta(milliseconds=100)
    running = asyncio.create_task(machine.does(f"touch result; {saved}", checkpoint_every=often))
    await handed_back(running, mark)
    go.touch()
    (folder,) = machine.folders
    note = delivery_note.read_note(folder)
    assert note and note.is_over and note.succeeded and note.head


async def test_the_log_of_a_delivery_that_was_cut_off_goes_after_a_week(machine: Machine) -> None:
    task = uuid4()
    await machine.does("touch result", task)
    (folder,) = machine.folders
    note = delivery_note.read_note(folder)
    assert note
    delivery_note.write_note(folder, note.model_copy(update={"is_over": False}))
    machine.ended(hours_ago=7 * 24)
    assert await machine.housekeeper.clean() == []
    shutil.rmtree(folder / "work")
    assert await machine.housekeeper.clean() == [Cleaned(folder)]


async def test_a_planners_worktree_holds_no_work_and_goes_in_its_time(machine: Machine) -> None:
    await machine.daemon.does("touch scratch", TaskKind.PLANNING)
    assert len(await machine.housekeeper.clean(at_once=True)) == 1
    assert machine.folders == []


async def test_a_kept_worktree_is_restored_with_what_was_not_committed_and_no_code_of_its_repository(
    machine: Machine, git: GitCommand
) -> None:
    script = "rm README; echo new > new; ln -s new link; echo ignored > .gitignore; touch ignored; mkfifo pipe"
    evil = "git config core.fsmonitor 'touch {}/pwned'; git init -q inner; echo '*.x' > .git/info/exclude"
    task = uuid4()
    await machine.does(f"{script}; {evil.format(machine.origin.parent)}; exit 1", task)
    (folder,) = machine.folders
    (folder / "work" / "later").write_text("not committed")
    restored = await machine.restorer.restore(str(task)[:8])
    assert restored.is_relative_to(machine.target)
    assert git(restored, "status", "--porcelain") == "?? later"
    assert sorted(path.name for path in restored.iterdir()) == [
        ".git",
        ".gitignore",
        "ignored",
        "inner",
        "later",
        "link",
        "new",
    ]
    assert (restored / "link").is_symlink()
    assert not list((restored / "inner").iterdir())
    assert "fsmonitor" not in (restored / ".git" / "config").read_text()
    assert not (machine.origin.parent / "pwned").exists()
    assert await machine.restorer.restore(str(task)) != restored


async def test_what_is_gone_here_is_restored_from_the_remotes_outcome(machine: Machine, git: GitCommand) -> None:
    task = uuid4()
    await machine.does("echo one > result; exit 1", task)
    done = await machine.does("echo two > result", task, attempt=2)
    shutil.rmtree(machine.daemon.tasks)
    with pytest.raises(Refused, match="name its repository with --repo"):
        await machine.restorer.restore(str(task))
    restored = await machine.restorer.restore(str(task)[:6], f"file://{machine.origin}")
    assert done.work
    assert git(restored, "rev-parse", "HEAD") == done.work.head
    assert (restored / "result").read_text() == "two\n"
    with pytest.raises(Refused, match="nothing of task ffffffff is left"):
        await machine.restorer.restore("ffffffff", f"file://{machine.origin}")


@pytest.mark.parametrize("later", [0, 0.05, 0.1, 0.15, 0.2, 0.3])
async def test_what_goes_while_it_is_restored_is_taken_from_the_remote(machine: Machine, later: float) -> None:
    task = uuid4()
    await machine.does("mkdir many; for n in $(seq 900); do echo $n > many/$n; done", task)

    async def cleaned() -> list[Cleaned]:
        await asyncio.sleep(later)
        return await machine.housekeeper.clean(at_once=True)

    restored, _ = await asyncio.gather(machine.restorer.restore(str(task)), cleaned())
    assert len(list((restored / "many").iterdir())) == 900
    assert [folder for folder in machine.target.iterdir() if folder != restored.parent] == [], "of it one copy is there"


async def test_who_cleans_up_beside_another_waits_for_it(machine: Machine) -> None:
    """As `python -m daemon gc` does, typed twice, and beside the daemon's own turn."""
    for _ in range(4):
        await machine.does("mkdir many; for n in $(seq 200); do echo $n > many/$n; done")
    found = await asyncio.gather(*(machine.housekeeper.clean(at_once=True) for _ in range(4)))
    assert sorted(len(each) for each in found) == [0, 0, 0, 4], "each is removed once"
    assert not machine.folders


async def test_a_removal_that_was_cut_off_is_gone_on_with(machine: Machine) -> None:
    await machine.does("touch result")
    (folder,) = machine.folders
    shutil.copytree(folder / "work", folder / "removed")
    await machine.housekeeper.clean(at_once=True)
    assert not machine.folders


async def test_an_attempt_without_outcome_is_restored_from_its_newest_checkpoint(
    machine: Machine, git: GitCommand, origin: Path
) -> None:
    task = uuid4()
    running = asyncio.create_task(
        machine.does("echo part > part; echo x >> README; sleep 60", task, checkpoint_every=timedelta(seconds=0.2))
    )
    while not git(origin, "for-each-ref", f"{REFS}checkpoints"):
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.wait({running})
    shutil.rmtree(machine.daemon.tasks)
    restored = await machine.restorer.restore(str(task), f"file://{origin}")
    assert git(restored, "status", "--porcelain").splitlines() == ["M README", "?? part"]


async def test_a_beginning_that_may_mean_two_tasks_is_refused(machine: Machine) -> None:
    for last in "12":
        await machine.does("touch result", UUID(f"abcdabcd-0000-4000-8000-00000000000{last}"))
    with pytest.raises(Refused, match=r"'abcdabcd' may mean abcdabcd-.*1, abcdabcd-.*2"):
        await machine.restorer.restore("abcdabcd")
    with pytest.raises(Refused, match="too short"):
        await machine.restorer.restore("abc")


async def test_a_commit_that_was_never_taken_is_not_on_the_remote(machine: Machine, repositories: Repositories) -> None:
    cache = await repositories.at(f"file://{machine.origin}")
    assert not await is_on_remote(cache, str(uuid4()), "0" * 39 + "1")
    assert await is_on_remote(cache, str(uuid4()), await machine.daemon.base())


def last_used(repositories: Repositories, origin: Path, days_ago: float) -> Path:
    """The origin's cache, last used so long ago."""
    cache = repositories.folder_of(f"file://{origin}")
    at = time.time() - days_ago * 24 * HOUR
    os.utime(cache_lock.lock_file(cache), (at, at))
    return cache


async def test_a_repository_that_nothing_uses_goes_after_a_month_and_comes_back_when_it_is_needed(
    machine: Machine, repositories: Repositories
) -> None:
    await machine.does("touch result")
    machine.ended(hours_ago=23)
    cache = last_used(repositories, machine.origin, days_ago=31)
    assert await machine.housekeeper.clean() == [], "a kept worktree borrows from it"
    machine.ended(hours_ago=25)
    last_used(repositories, machine.origin, days_ago=29)
    assert [each.folder.parent for each in await machine.housekeeper.clean()] == [machine.daemon.tasks]
    assert await machine.housekeeper.clean() == [], "its time is not over"
    last_used(repositories, machine.origin, days_ago=31)
    assert await machine.housekeeper.clean() == [Cleaned(cache)]
    assert not cache.exists()
    assert (await machine.does("touch result")).status is OutcomeStatus.COMPLETED


async def test_a_repository_stays_while_what_was_restored_borrows_from_it_or_it_holds_what_no_remote_has(
    machine: Machine, repositories: Repositories, git: GitCommand
) -> None:
    task = uuid4()
    await machine.does("touch result", task)
    restored = await machine.restorer.restore(str(task))
    housekeeper = Housekeeper(machine.daemon.tasks, repositories, Keeping(), machine.target)
    machine.ended(hours_ago=25)
    await housekeeper.clean()
    cache = last_used(repositories, machine.origin, days_ago=31)
    assert await housekeeper.clean(at_once=True) == []
    shutil.rmtree(restored)
    git(cache, "update-ref", f"{REFS}outcomes/{task}/1", "refs/remotes/origin/main")
    assert await housekeeper.clean(at_once=True) == []
    git(cache, "update-ref", "-d", f"{REFS}outcomes/{task}/1")
    assert await housekeeper.clean(at_once=True) == [Cleaned(cache)]


async def test_a_repository_that_was_asked_for_just_now_stays(machine: Machine, repositories: Repositories) -> None:
    await repositories.at(f"file://{machine.origin}")
    assert await machine.housekeeper.clean(at_once=True) == []


async def test_the_commands_work_beside_a_daemon_and_without_temporal(
    tmp_path: Path, daemon_git: Git, origin: Path
) -> None:
    home, task = tmp_path / "data" / "daemon" / "box", uuid4()
    await Machine(home, Repositories(daemon_git, home / "repositories"), origin).does("touch result", task)
    config = tmp_path / "daemon.toml"
    config.write_text('name = "box"\nallow_local_repositories = true\nsandbox = "none"\n')
    env = {**os.environ, "MAKIMA_DATA_DIR": str(tmp_path / "data"), "MAKIMA_DAEMON_CONFIG": str(config)}

    async def command(*args: str) -> tuple[int, str]:
        done = await run((sys.executable, "-m", "daemon", *args), cwd=tmp_path, env=env, timeout=60)
        return done.exit_code, done.text + done.stderr

    assert await command("gc") == (0, "")
    code, said = await command("restore", str(task)[:8])
    assert (code, (Path(said) / "result").exists()) == (0, True), said
    code, said = await command("restore", "ffffffff")
    assert code == 2
    assert said == "makima: this machine knows no task ffffffff: name its repository with --repo to look there\n"
    code, said = await command("gc", "--now")
    assert code == 0
    assert said.endswith(" removed")
    assert not list((home / "tasks").iterdir())


async def test_what_no_remote_has_is_told_with_its_reason_and_what_the_remote_has_is_not(
    machine: Machine, git: GitCommand
) -> None:
    await machine.does("echo published > a.txt", step_name="Published")
    assert await machine.housekeeper.only_here() == []
    published = machine.folders
    outcome = await machine.does("echo gone > b.txt", step_name="Deleted", target_branch="makima/deleted")
    (folder,) = [each for each in machine.folders if each not in published]
    assert outcome.work
    for ref in git(machine.origin, "for-each-ref", "--format=%(refname)", "--contains", outcome.work.head).split():
        git(machine.origin, "update-ref", "-d", ref)
    (left,) = await machine.housekeeper.only_here()
    assert left == Cleaned(folder, f"its commit {outcome.work.head} is not on {machine.origin.as_uri()}")
    assert folder.exists(), "nothing is removed"

    note = delivery_note.read_note(folder)
    assert note
    delivery_note.write_note(folder, note.model_copy(update={"is_over": False}))
    (folder / "work").mkdir(exist_ok=True)
    (left,) = await machine.housekeeper.only_here()
    assert left == Cleaned(folder, "it was cut off; a daemon that starts saves it")

    (machine.target / "3f2a91c0").mkdir(parents=True)
    keeper = Housekeeper(machine.daemon.tasks, machine.repositories, Keeping(), machine.target)
    laid_out = Cleaned(machine.target / "3f2a91c0", "laid out by `restore`, for a person")
    assert laid_out in await keeper.only_here()
