"""An agent can't take its work away from us (issue 13, 2): whatever it does to its repository, its files are kept.

Each damage is done after a commit of the agent's own and before its last file is written; both have to be in the work.
The agent runs once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.git.repositories import Repositories
from domain.failures import FailureCategory
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.conftest import GitCommand
from tests.integration.deliveries import OneDaemon

pytestmark = [pytest.mark.rule("6.7"), pytest.mark.timeout(600)]

WORKS = """
echo run >> {runs}
echo own > own; git add own; git commit -qm own
{damage}
echo last > last
"""

LOCKED = {
    "the index": "touch .git/index.lock",
    "HEAD": "touch .git/HEAD.lock",
    "the configuration": "touch .git/config.lock",
    "packed refs": "touch .git/packed-refs.lock",
    "a branch": "mkdir -p .git/refs/heads; touch .git/refs/heads/makima.lock",
    "a lock that is a folder": "mkdir -p .git/index.lock/more",
    "a lock that is a pipe": "mkfifo .git/index.lock",
}
FIT = {
    "core.bare and core.worktree": "git config core.bare true; git config core.worktree /nonexistent",
    "an object that is replaced": "git replace -f HEAD HEAD~1",
    "packed, without the cache": "git repack -qad; rm .git/objects/info/alternates",
    "a branch of its own": "git switch -qc mine; git pack-refs --all",
    "signatures and hooks": "git config commit.gpgSign true; git config gpg.program /bin/false; "
    "mkdir -p .git/hooks; printf '#!/bin/sh\\nexit 1\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit",
}
BROKEN = {
    "removed": "rm -rf .git",
    "a file in its place": "rm -rf .git; echo x > .git",
    "a link to another repository": "mv .git ../other; echo gitdir: ../other > .git",
    "a pipe in its place": "rm -rf .git; mkfifo .git",
    "remade": "rm -rf .git; git init -q; git add .; git commit -qm remade",
    "no objects": "rm -rf .git/objects/*",
    "objects that are none": "for each in $(find .git/objects -type f -path '*/??/*'); do echo x > $each; done",
    "alternates elsewhere": "mkdir -p ../objects; cd ..; pwd > work/.git/objects/info/alternates; cd work",
    "alternates that are a pipe": "rm .git/objects/info/alternates; mkfifo .git/objects/info/alternates",
    "an index that is none": "echo x > .git/index",
    "an index that is a pipe": "rm .git/index; mkfifo .git/index",
    "a HEAD that is none": "echo x > .git/HEAD",
    "a HEAD that is a pipe": "rm .git/HEAD; mkfifo .git/HEAD",
    "an unborn HEAD": "git checkout -q --orphan new",
    "a configuration that is none": "echo '[' > .git/config",
    "a configuration that is a pipe": "rm .git/config; mkfifo .git/config",
    "a configuration without an end": "rm .git/config; ln -s /dev/zero .git/config",
    "packed refs that are a pipe": "mkfifo .git/packed-refs",
    "refs that are a link": "rm -rf .git/refs; ln -s /tmp .git/refs",
    "commondir": "echo /nonexistent > .git/commondir",
    "a shallow file": "git rev-parse HEAD~1 > .git/shallow",
    "an extension that nobody has": "git config core.repositoryformatversion 99",
}
FILES = {
    "a list of ignored files that is a pipe": "mkfifo .gitignore",
    "attributes that are a pipe": "mkdir sub; mkfifo sub/.gitattributes; echo x > sub/file",
    "a repository inside whose HEAD is a pipe": "git init -q inside; rm inside/.git/HEAD; mkfifo inside/.git/HEAD",
    "a known file that is a pipe": "rm README; mkfifo README",
    "a filter that fails": "git config filter.x.clean false; git config filter.x.required true; "
    "echo '* filter=x' > .gitattributes",
}


@pytest.fixture
def one(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path / "one", repositories, origin)


async def worked(one: OneDaemon, damage: str, tmp_path: Path, **fields: Any) -> Outcome:
    step = {"base_commit": await one.base(), "target_branch": "makima/x", **fields}
    outcome = await one.does(WORKS.format(damage=damage, runs=tmp_path / "runs"), TaskKind.STEP, **step)
    assert (tmp_path / "runs").read_text() == "run\n"
    return outcome


def kept(git: GitCommand, origin: Path) -> set[str]:
    return set(git(origin, "ls-tree", "-r", "--name-only", "makima/x").splitlines())


@pytest.mark.parametrize("damage", [pytest.param(script, id=name) for name, script in {**LOCKED, **FIT}.items()])
async def test_what_can_be_worked_with_is_used_as_it_is(
    one: OneDaemon, damage: str, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    outcome = await worked(one, damage, tmp_path)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome.failure
    assert not [warning for warning in outcome.warnings if "anew" in warning]
    assert {"README", "own", "last"} <= kept(git, origin)
    subjects = git(origin, "log", "--format=%s", "makima/x").splitlines()
    assert subjects[1:] == ["own", "first"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("damage", [pytest.param(script, id=name) for name, script in BROKEN.items()])
async def test_a_repository_that_is_broken_is_made_anew_around_the_files(
    one: OneDaemon, damage: str, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    outcome = await worked(one, damage, tmp_path)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome.failure
    assert {"README", "own", "last"} <= kept(git, origin)
    assert [warning for warning in outcome.warnings if "anew" in warning], outcome.warnings
    assert not [warning for warning in outcome.warnings if "--" in warning], "no reason shows an argument list"
    assert git(origin, "merge-base", "main", "makima/x") == git(origin, "rev-parse", "main")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("damage", [pytest.param(script, id=name) for name, script in FILES.items()])
async def test_files_that_git_would_wait_for_keep_nothing_else_out(
    one: OneDaemon, damage: str, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    outcome = await worked(one, damage, tmp_path)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome.failure
    assert {"own", "last"} <= kept(git, origin)


REFUSED = {
    "a submodule's name": "printf '[submodule \"../a\"]\\n\\tpath = a\\n\\turl = -x\\n' > .gitmodules;"
    "git add -A; git commit -qm m",
    "a link to submodules": "ln -s README .gitmodules",
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_git_refuses_is_told_and_costs_no_file(
    one: OneDaemon, what: str, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    step = {"base_commit": await one.base(), "target_branch": "makima/x"}
    bad = WORKS.format(damage=REFUSED[what], runs=tmp_path / "runs")
    told = 'P=$(cat); case "$P" in *"Your work is not finished"*) echo "$P" > heard; {mended} ;; *) {bad} ;; esac'
    done = await one.does(told.format(bad=bad, mended="true"), TaskKind.STEP, task=uuid4(), **step)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert done.work and any(".gitmodules" in line for line in done.work.left_out), done.work
    assert {"own", "last", "heard"} <= kept(git, origin)
    assert ".gitmodules" in git(origin, "show", "makima/x:heard")
    assert not any("--" in warning for warning in done.warnings), done.warnings


async def test_branches_and_stashes_survive_the_repository(
    one: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    beside = "git checkout -q -b feature; echo f > f; git add f; git commit -qm f; git checkout -q --detach HEAD~1;"
    bad = WORKS.format(damage=beside + "echo '[' > .git/config", runs=tmp_path / "runs")
    script = f'P=$(cat); case "$P" in *"Your work is not finished"*) git merge -q --no-edit feature ;; *) {bad} ;; esac'
    step = {"base_commit": await one.base(), "target_branch": "makima/x"}
    outcome = await one.does(script, TaskKind.STEP, **step)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome.failure or outcome.questions
    assert [warning for warning in outcome.warnings if "anew" in warning], outcome.warnings
    assert {"own", "last", "f"} <= kept(git, origin)


async def test_what_can_not_be_mended_is_the_agents_failure_in_one_run_with_one_reason(
    one: OneDaemon, tmp_path: Path
) -> None:
    outcome = await worked(one, "cd ..; rm -rf work; touch work; exec true", tmp_path)
    assert outcome.failure
    assert outcome.failure.category is FailureCategory.AGENT
    assert "worktree" in outcome.failure.report
    assert "--" not in outcome.failure.report
