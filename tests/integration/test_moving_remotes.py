"""Remotes that move, are away, or hold what is out of the ordinary (rule 6.1), met by whole deliveries on real git."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from domain.errors import CannotServe
from domain.failures import FailureCategory
from domain.spawn_task import ContinueFrom, Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.conftest import Committer, GitCommand
from tests.integration.deliveries import OneDaemon, until

pytestmark = pytest.mark.rule("6.1")


@pytest.fixture
def one(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path / "one", repositories, origin)


async def fresh(tmp_path: Path, origin: Path, environ: dict[str, str] | None = None) -> OneDaemon:
    """A daemon that has never seen the repository."""
    folder = tmp_path / f"fresh-{uuid4().hex[:6]}"
    plain = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    own = Git(folder / "git", environ or plain, allow_local=True)
    await own.prepare()
    return OneDaemon(folder, Repositories(own, folder / "caches"), origin)


async def step(daemon: OneDaemon, script: str, base: str, **fields: Any) -> Outcome:
    task = fields.pop("task", uuid4())
    given = {"name": "House: build", "step": uuid4(), "step_name": "build", "target_branch": f"makima/{task.hex[:8]}"}
    return await daemon.does(script, TaskKind.STEP, **{"task": task, "base_commit": base, **given, **fields})


async def completion(daemon: OneDaemon, *merged: Outcome) -> Outcome:
    incoming = tuple(
        ContinueFrom(task=each.task, name="build", branch=each.work.branch, commit=each.work.head)
        for each in merged
        if each.work
    )
    return await daemon.does(
        "exit 1", TaskKind.COMPLETION, task=uuid4(), merge=incoming, target_branch="makima/directive-x", agent=None
    )


def refused(outcome: Outcome) -> str:
    """The one line of an outcome that is the directive's own trouble."""
    assert outcome.failure, outcome
    assert outcome.failure.category is FailureCategory.REPOSITORY
    assert "\n" not in outcome.failure.report
    return outcome.failure.report


# Sixteen at once


async def test_sixteen_tasks_at_once_share_one_fetch(tmp_path: Path, origin: Path, git: GitCommand) -> None:
    bin_folder, calls = tmp_path / "bin", tmp_path / "calls"
    bin_folder.mkdir()
    (bin_folder / "git").write_text(f'#!/bin/sh\necho "$*" >> {calls}\nexec {shutil.which("git")} "$@"\n')
    (bin_folder / "git").chmod(0o755)
    path = f"{bin_folder}:{os.environ['PATH']}"
    daemon = await fresh(tmp_path, origin, {"PATH": path, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"})
    base = git(origin, "rev-parse", "main")
    outcomes = await asyncio.gather(*(step(daemon, f"echo {at} > file", base) for at in range(16)))
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.COMPLETED}
    fetched = [line for line in calls.read_text().splitlines() if " fetch " in line and f"file://{origin}" in line]
    assert len(fetched) == 1, fetched


# The base branch


async def test_steps_go_on_from_their_recorded_base_when_its_branch_is_deleted_and_what_needs_the_branch_names_it(
    one: OneDaemon, origin: Path, tmp_path: Path, git: GitCommand
) -> None:
    base = await one.base()
    git(origin, "branch", "other", "main")
    git(origin, "update-ref", "-d", "refs/heads/main")
    here, there = await step(one, "touch a", base), await step(await fresh(tmp_path, origin), "touch b", base)
    assert (here.status, there.status) == (OutcomeStatus.COMPLETED, OutcomeStatus.COMPLETED)
    line = refused(await completion(one, here))
    assert line.startswith(f"file://{origin} has no branch 'main'; it has makima/")
    assert refused(await one.does("exit 0", TaskKind.PREPARE, task=uuid4())) == line


async def test_a_base_that_was_pushed_over_stays_the_base_of_its_generation(
    one: OneDaemon, origin: Path, tmp_path: Path, commit: Committer, git: GitCommand
) -> None:
    root = git(origin, "rev-parse", "main")
    old = commit({"old": "old\n"}, branch="main")
    assert await one.base() == old
    new = commit({"new": "new\n"}, root, branch="main")
    outcome = await step(one, "test -e old; touch built", old)
    assert outcome.work
    assert git(origin, "merge-base", outcome.work.head, old) == old
    assert await one.base() == new
    shipped = await completion(one, outcome)
    assert shipped.work
    assert set(git(origin, "ls-tree", "--name-only", shipped.work.head).splitlines()) == {
        "README", "built", "new", "old"
    }  # fmt: skip


async def test_a_base_that_nobody_has_any_more_is_named(
    origin: Path, tmp_path: Path, commit: Committer, git: GitCommand
) -> None:
    root = git(origin, "rev-parse", "main")
    old = commit({"old": "old\n"}, branch="main")
    git(origin, "update-ref", "refs/heads/main", root)
    git(origin, "gc", "--quiet", "--prune=now")
    line = refused(await step(await fresh(tmp_path, origin), "touch built", old))
    gone = f"the commit {old} that 'build' was to begin at is gone from 'main', which is at {root}"
    assert line == f"{gone}: `retry-step` begins it there"


async def test_a_base_branch_with_another_history_is_no_conflict_but_the_directives_trouble(
    one: OneDaemon, origin: Path, git: GitCommand
) -> None:
    outcome = await step(one, "touch built", await one.base())
    tree = git(origin, "rev-parse", "main^{tree}")
    git(origin, "update-ref", "refs/heads/main", git(origin, "commit-tree", tree, "-m", "another beginning"))
    assert "has no commit in common with what it is merged into" in refused(await completion(one, outcome))


async def test_an_empty_repository_has_no_base_branch(tmp_path: Path, git: GitCommand) -> None:
    empty = tmp_path / "empty.git"
    git(tmp_path, "init", "--quiet", "--bare", str(empty))
    daemon = await fresh(tmp_path, empty)
    for kind in (TaskKind.PREPARE, TaskKind.PLANNING):
        line = refused(await daemon.does("exit 0", kind, task=uuid4()))
        assert line == f"file://{empty} has no branch 'main'; it has none: it is empty"


# Away and back


class Server:
    """git's own server for one folder, on one port for ever; `going` is where it can be reached."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @contextmanager
    def going(self) -> Iterator[None]:
        options = ("--export-all", "--enable=receive-pack", "--reuseaddr", "--listen=127.0.0.1")
        command = ("git", "daemon", *options, f"--port={self.port}", f"--base-path={self._folder}")
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, process_group=0) as process:
            try:
                yield
            finally:
                os.killpg(process.pid, 15)

    async def answers(self) -> None:
        def is_there() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        await until(is_there)


async def test_a_remote_that_is_away_is_another_daemons_task_or_waits_and_costs_no_work(
    tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    server, daemon = Server(tmp_path), await fresh(tmp_path, origin)
    url, base = f"git://127.0.0.1:{server.port}/{origin.name}", git(origin, "rev-parse", "main")
    with pytest.raises(CannotServe, match=rf"^{url} does not answer: unable to connect") as refusal:
        await step(daemon, "touch built", base, repository=url)
    assert "\n" not in str(refusal.value)

    began, go, runs = tmp_path / "began", tmp_path / "go", tmp_path / "runs"
    script = f"echo run >> {runs}; echo work > built; touch {began}; until test -e {go}; do sleep 0.05; done"
    with server.going():
        await server.answers()
        working = asyncio.create_task(step(daemon, script, base, repository=url))
        await until(began.exists)
    go.touch()

    async def offers_its_work_in_vain() -> None:
        log = next(daemon.tasks.glob("*/task/log.txt"))
        assert log.exists()
        done, _ = await asyncio.wait({working}, timeout=2)
        assert not done, "finished work is offered until the remote is back"

    await offers_its_work_in_vain()
    with server.going():
        outcome = await asyncio.wait_for(working, 60)
        assert outcome.work
        assert git(origin, "show", f"{outcome.work.branch}:built") == "work"
    assert runs.read_text() == "run\n"


# Out of the ordinary


@pytest.fixture
def with_submodule(tmp_path: Path, origin: Path, git: GitCommand) -> str:
    """The head of the origin's main, which now holds another repository at libs/part."""
    part = tmp_path / "part.git"
    shutil.copytree(origin, part)
    clone = tmp_path / "clone"
    allowed = ("-c", "protocol.file.allow=always")
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))
    git(clone, *allowed, "submodule", "--quiet", "add", f"file://{part}", "libs/part")
    git(clone, "commit", "--quiet", "-m", "with a part")
    git(clone, "push", "--quiet", "origin", "main")
    return git(clone, "rev-parse", "HEAD")


def log_of(daemon: OneDaemon) -> str:
    return "".join(file.read_text() for file in daemon.tasks.glob("*/task/log.txt"))


async def test_a_submodule_is_not_checked_out_which_is_said_and_stays_as_it_is(
    one: OneDaemon, origin: Path, with_submodule: str, git: GitCommand
) -> None:
    outcome = await step(one, 'test -z "$(ls libs/part)"; grep "not checked out" > told', with_submodule)
    assert outcome.work, outcome
    assert git(origin, "show", f"{outcome.work.head}:told").startswith("- submodules are not checked out: libs/part;")
    assert "[makima] submodules are not checked out: libs/part;" in log_of(one)
    changed = git(origin, "diff", "--name-only", with_submodule, outcome.work.head)
    assert changed == "told"


async def test_an_agent_may_check_a_submodule_out_without_changing_it(
    one: OneDaemon, origin: Path, with_submodule: str, git: GitCommand
) -> None:
    update = "git -c protocol.file.allow=always submodule --quiet update --init; test -e libs/part/README; touch built"
    outcome = await step(one, update, with_submodule)
    assert outcome.work, outcome
    assert git(origin, "diff", "--name-only", with_submodule, outcome.work.head) == "built"


async def test_files_in_git_lfs_are_pointers_which_is_said(
    one: OneDaemon, origin: Path, commit: Committer, git: GitCommand
) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12\n"
    files = {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "model.bin": pointer}
    base = commit(files, branch="main")
    outcome = await step(one, "grep -q git-lfs model.bin; touch built", base)
    assert outcome.work, outcome
    assert "[makima] files in Git LFS are here as pointers: model.bin; their contents are neither" in log_of(one)
    assert git(origin, "diff", "--name-only", base, outcome.work.head) == "built"


async def test_a_repository_with_sha256_names_is_served_like_any_other(tmp_path: Path, git: GitCommand) -> None:
    origin = tmp_path / "sha256.git"
    git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main", str(origin))
    tree = git(origin, "mktree")
    git(origin, "update-ref", "refs/heads/main", git(origin, "commit-tree", tree, "-m", "first"))
    daemon = await fresh(tmp_path, origin)
    planned = await daemon.does("makima directive add-step a --task-plan a", task=uuid4())
    assert len(planned.base_commit) == 64
    outcomes = [await step(daemon, f"touch {name}", planned.base_commit) for name in ("a", "b")]
    shipped = await completion(await fresh(tmp_path, origin), *outcomes)
    assert shipped.work, shipped
    assert git(origin, "ls-tree", "--name-only", "makima/directive-x").split() == ["a", "b"]
