"""What one task does to its repository reaches neither another task nor the daemon (rule 6.2), by whole deliveries."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.repositories import Repositories
from daemon.sandbox.sandbox import Sandbox
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.conftest import GitCommand
from tests.integration.deliveries import OneDaemon, until
from tests.integration.test_sandbox import SandboxMaker, make_sandbox

pytestmark = pytest.mark.rule("6.2")

__all__ = ["make_sandbox"]  # a fixture

MISCHIEF = """
git stash list > /dev/null
echo mine > README; git stash push --quiet
git update-ref refs/heads/main HEAD
git tag mine
echo work > mischief; git add mischief; git commit --quiet -m mischief
for hook in pre-commit post-commit reference-transaction post-checkout pre-push post-index-change update; do
    mkdir -p .git/hooks; cp {trap} .git/hooks/$hook
done
for name in core.sshCommand core.pager core.editor credential.helper gpg.program uploadpack.packObjectsHook; do
    git config $name {trap}
done
git config commit.gpgSign true
git config --global core.fsmonitor {trap}
git config --global core.hooksPath {hooks}
git config core.hooksPath {hooks}
git config core.fsmonitor {trap}
touch {done}
until test -e {go}; do sleep 0.05; done
git -c core.hooksPath=/dev/null -c core.fsmonitor=false stash drop --quiet
"""

LOOKS_AROUND = """
touch {began}
until test -e {done}; do sleep 0.05; done
if git config --get-regexp 'fsmonitor|hookspath|sshcommand|gpg|helper' >&2; then exit 3; fi
test -z "$(git stash list)"
test -z "$(git tag)"
test -z "$(git for-each-ref)"
test ! -e .git/hooks
test "$(cat README)" = hello
git status > /dev/null
echo work > honest; git add honest; git commit --quiet -m honest
"""


@pytest.fixture
def one(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path / "one", repositories, origin)


async def step(daemon: OneDaemon, script: str, base: str) -> Outcome:
    task = uuid4()
    names = {"name": "House: build", "step": uuid4(), "step_name": "build", "target_branch": f"makima/{task.hex[:8]}"}
    return await daemon.does(script, TaskKind.STEP, task=task, base_commit=base, **names)


async def test_configuration_hooks_and_stash_of_one_task_have_no_effect_on_another_nor_on_the_daemon(
    one: OneDaemon, repositories: Repositories, origin: Path, tmp_path: Path, git: GitCommand
) -> None:
    sprung, trap, hooks = tmp_path / "sprung", tmp_path / "trap", tmp_path / "hooks"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {sprung}\n')
    trap.chmod(0o755)
    hooks.mkdir()
    for name in ("pre-commit", "post-commit", "reference-transaction", "pre-push", "post-index-change", "update"):
        (hooks / name).symlink_to(trap)
    places = {"trap": trap, "hooks": hooks} | {name: tmp_path / name for name in ("done", "go", "began")}
    base = await one.base()
    cache = await repositories.at(f"file://{origin}")
    configured = (cache.folder / "config").read_text()

    honest = asyncio.create_task(step(one, LOOKS_AROUND.format(**places), base))
    await until((tmp_path / "began").exists)
    hostile = asyncio.create_task(step(one, MISCHIEF.format(**places), base))
    good = await honest
    assert good.status is OutcomeStatus.COMPLETED, good
    (tmp_path / "go").touch()
    bad = await hostile
    assert bad.status is OutcomeStatus.COMPLETED, bad
    later = await step(one, LOOKS_AROUND.format(**places), base)
    assert later.status is OutcomeStatus.COMPLETED, later

    assert not sprung.exists(), sprung.read_text()
    assert (cache.folder / "config").read_text() == configured
    refs = git(cache.folder, "for-each-ref", "--format=%(refname)").splitlines()
    assert not [ref for ref in refs if not ref.startswith(("refs/remotes/origin/", "refs/makima/"))], refs
    assert git(origin, "rev-parse", "main") == base
    assert bad.work
    assert git(origin, "diff", "--name-only", base, bad.work.head) == "mischief"
    (worktree,) = [each.parent for each in one.tasks.glob("*/work/mischief")]
    git(worktree, "status")
    assert sprung.exists(), "the trap works"


async def test_an_agent_works_in_the_daemons_sandbox(
    one: OneDaemon, make_sandbox: SandboxMaker, origin: Path, tmp_path: Path, git: GitCommand
) -> None:
    secret = tmp_path / "one" / "secret"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("swordfish")
    sandbox: Sandbox = make_sandbox(hidden=(tmp_path,))
    one.more = {"sandbox": sandbox}
    base = await one.base()
    looks = f"""
        if cat {secret} || cat /proc/{1}/environ | grep -q MAKIMA_DATA; then exit 3; fi
        ls {one.tasks} > seen 2>&1 || true
        ps ax > /dev/null 2>&1 || true
        test "$(ls /proc | grep -c '^[0-9]*$')" -lt 20
        if touch {origin}/HEAD 2> /dev/null; then exit 4; fi
        echo work > built; git add built; git commit --quiet -m built; git config core.hooksPath /tmp
    """
    outcome = await step(one, looks, base)
    assert outcome.work, outcome
    assert git(origin, "show", f"{outcome.work.head}:built") == "work"
    seen = git(origin, "show", f"{outcome.work.head}:seen").splitlines()
    assert len(seen) <= 1, "no folder of another task"
    assert one.runner.sandbox == "bubblewrap"
