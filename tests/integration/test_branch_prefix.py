"""Remotes that take only branches whose names begin as theirs do: found out before an agent runs (issue 13, 9)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.git.repositories import Repositories
from domain.failures import FailureCategory
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon

GitCommand = Callable[..., str]
Committer = Callable[..., str]
RULE = """#!/bin/sh
case "$1" in refs/heads/feature/*|refs/makima/*) exit 0;; esac
echo "branches begin with feature/" >&2
exit 1
"""


@pytest.fixture
def one(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    """A daemon, and an origin with the rule of some company."""
    (origin / "hooks").mkdir(exist_ok=True)
    (origin / "hooks" / "update").write_text(RULE)
    (origin / "hooks" / "update").chmod(0o755)
    return OneDaemon(tmp_path, repositories, origin)


@pytest.mark.parametrize("kind", [TaskKind.PREPARE, TaskKind.PLANNING])
async def test_a_remote_that_takes_no_such_branch_is_found_out_before_an_agent_runs(
    one: OneDaemon, origin: Path, git: GitCommand, tmp_path: Path, kind: TaskKind
) -> None:
    before = git(origin, "for-each-ref")
    outcome = await one.does(f"touch {tmp_path}/ran", kind)
    assert outcome.failure and outcome.failure.category is FailureCategory.REPOSITORY
    assert "branches begin with feature/" in outcome.failure.report
    assert "--branch-prefix" in outcome.failure.report and "branch_prefix in .makima.toml" in outcome.failure.report
    assert not (tmp_path / "ran").exists()
    assert git(origin, "for-each-ref") == before


async def test_the_directives_prefix_comes_before_the_repositorys_and_is_tried_without_a_trace(
    one: OneDaemon, origin: Path, git: GitCommand, commit: Committer
) -> None:
    commit({".makima.toml": 'branch_prefix = "other/"\n'}, branch="main")
    before = git(origin, "for-each-ref")
    refused = await one.does("true", TaskKind.PREPARE)
    assert refused.failure and "refs/heads/other/push-check" in refused.failure.report
    good = await one.does("true", TaskKind.PREPARE, branch_prefix="feature/")
    assert (good.status, good.branch_prefix) == (OutcomeStatus.COMPLETED, "")
    assert git(origin, "for-each-ref") == before


async def test_what_the_repository_says_is_told_with_the_base(
    one: OneDaemon, origin: Path, git: GitCommand, commit: Committer
) -> None:
    base = commit({".makima.toml": 'branch_prefix = "feature/"\n'}, branch="main")
    outcome = await one.does("true", TaskKind.PREPARE)
    assert (outcome.base_commit, outcome.branch_prefix) == (base, "feature/")
    git(origin, "branch", "-m", "main", "feature")
    taken = await one.does("true", TaskKind.PREPARE, base_branch="feature")
    assert taken.failure and "has a branch 'feature', which leaves no room for 'feature/…'" in taken.failure.report


async def test_a_prefix_that_is_none_is_one_line(one: OneDaemon, commit: Committer) -> None:
    commit({".makima.toml": 'branch_prefix = "refs/heads/x"\n'}, branch="main")
    outcome = await one.does("true", TaskKind.PREPARE)
    assert outcome.failure and "branch_prefix: " in outcome.failure.report
    assert "\n" not in outcome.failure.report
