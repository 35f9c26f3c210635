"""Remotes that take no refs of ours: branches in their place, else this machine (rule 6.7, docs/decisions/0004)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.saving.outcomes import Outcomes
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import TASK, OneDaemon, until

GitCommand = Callable[..., str]

NO_REFS = 'case "$1" in refs/makima/*) echo "no such refs" >&2; exit 1;; esac'
BRANCHES_OF_TASKS_ONLY = 'case "$1" in refs/heads/makima/*) ;; *) exit 1;; esac'


@pytest.fixture
def one(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path / "one", repositories, origin)


@pytest.fixture
def other(tmp_path: Path, daemon_git: Git, origin: Path) -> OneDaemon:
    """Another machine, which shares nothing with the first one but the remote."""
    return OneDaemon(tmp_path / "other", Repositories(daemon_git, tmp_path / "other" / "caches"), origin)


def refuse(origin: Path, script: str, hook: str = "update") -> None:
    (origin / "hooks").mkdir(exist_ok=True)
    (origin / "hooks" / hook).write_text(f"#!/bin/sh\n{script}\n")
    (origin / "hooks" / hook).chmod(0o755)


def refs(git: GitCommand, repository: Path) -> set[str]:
    return set(git(repository, "for-each-ref", "--format=%(refname)").splitlines())


async def step(daemon: OneDaemon, script: str, **fields: Any) -> Outcome:
    given = {"checkpoint_every": timedelta(milliseconds=300), "base_commit": await daemon.base(), **fields}
    return await daemon.does(
        script, TaskKind.STEP, name="House: build", step=uuid4(), step_name="build", target_branch="makima/x", **given
    )


async def interrupted(daemon: OneDaemon, script: str, began: Path) -> None:
    """A delivery that is cancelled once the file `began` is there."""
    delivery = asyncio.create_task(step(daemon, f"{script}; touch {began}; exec sleep 60"))
    await until(began.exists)
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery


@pytest.mark.rule("6.7")
@pytest.mark.parametrize("refusal", ["update", "pre-receive", "hidden"])
async def test_without_refs_of_ours_checkpoint_and_outcome_are_branches(
    one: OneDaemon, other: OneDaemon, origin: Path, tmp_path: Path, git: GitCommand, refusal: str
) -> None:
    if refusal == "hidden":
        git(origin, "config", "receive.hideRefs", "refs/makima")
    elif refusal == "update":
        refuse(origin, NO_REFS)
    else:
        refuse(origin, f'while read -r _ _ ref; do set -- "$ref"; {NO_REFS}; done', refusal)
    await interrupted(one, "echo half > work", tmp_path / "began")
    [kept] = refs(git, origin) - {"refs/heads/main"}
    assert kept == f"refs/heads/makima-state/checkpoints/{TASK}/1/{one.delivery.name}"

    outcome = await step(other, "cat work > whole")

    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    stored = f"refs/heads/makima-state/outcomes/{TASK}/1"
    assert refs(git, origin) == {"refs/heads/main", "refs/heads/makima/x", stored}
    assert outcome.warnings == (f"the remote takes no refs/makima/: the outcome is in branch {stored}",)
    again = await step(one, "exit 1")
    assert again.status is OutcomeStatus.COMPLETED, "no agent ran"
    assert git(origin, "show", "makima/x:whole") == "half"


@pytest.mark.rule("6.8")
async def test_of_two_deliveries_at_once_one_wins_in_the_branches_too(
    cache: RepositoryCache, daemon_git: Git, tmp_path: Path, origin: Path
) -> None:
    refuse(origin, NO_REFS)
    here = Outcomes(cache)
    there = Outcomes(await Repositories(daemon_git, tmp_path / "elsewhere").at(f"file://{origin}"))
    for attempt in range(1, 5):
        first, second = await asyncio.gather(
            here.publish_outcome(str(TASK), attempt, b"here", None),
            there.publish_outcome(str(TASK), attempt, b"there", None),
        )
        assert sorted((first.won, second.won)) == [False, True]
        assert first.outcome == second.outcome


@pytest.mark.rule("6.7")
async def test_a_remote_that_takes_nothing_but_the_tasks_branch_keeps_no_work_from_being_done(
    one: OneDaemon, origin: Path, tmp_path: Path, git: GitCommand
) -> None:
    refuse(origin, BRANCHES_OF_TASKS_ONLY)
    await interrupted(one, "echo half > work", tmp_path / "began")
    assert refs(git, origin) == {"refs/heads/main"}
    assert list(one.tasks.glob("*/work")), "this machine alone has it"

    outcome = await step(one, "cat work > whole; rm work")

    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert refs(git, origin) == {"refs/heads/main", "refs/heads/makima/x"}
    assert git(origin, "show", "makima/x:whole") == "half"
    assert any(warning.startswith("the outcome is saved on here only: ") for warning in outcome.warnings)
    again = await step(one, "exit 1")
    assert again.status is OutcomeStatus.COMPLETED, "no agent ran"


@pytest.mark.rule("6.8")
@pytest.mark.parametrize("committed_by_agent", [True, False])
async def test_a_branch_alone_tells_another_machine_that_the_attempt_has_ended(
    one: OneDaemon, other: OneDaemon, origin: Path, git: GitCommand, committed_by_agent: bool
) -> None:
    refuse(origin, BRANCHES_OF_TASKS_ONLY)
    commits = "git add work; git commit --quiet -m 'By the agent' -m 'Why: because'" if committed_by_agent else ""
    lost = await step(one, f"echo done > work; {commits}")  # and its daemon dies before it reports
    found = await step(other, "exit 1")
    assert found.status is OutcomeStatus.COMPLETED, "no agent ran"
    assert lost.work and found.work
    assert found.work.head == lost.work.head == git(origin, "rev-parse", "makima/x")
    assert (found.work.commits, found.work.files_changed, found.work.base) == (1, 1, lost.work.base)
    said = git(origin, "log", "-1", "--format=%B", "makima/x")
    assert said.startswith("By the agent\n\nWhy: because\n" if committed_by_agent else "build\n\nMakima-Directive: ")
    assert said.endswith(f"Makima-Task: {TASK}\nMakima-Attempt: 1")

    again = await step(other, "echo better > work", attempt=2)
    assert again.status is OutcomeStatus.COMPLETED
    assert git(origin, "show", "makima/x:work") == "better", "the next attempt is another one"
    assert (await step(one, "exit 1", attempt=2)).status is OutcomeStatus.COMPLETED


@pytest.mark.rule("6.7")
async def test_a_refused_checkpoint_is_a_warning_of_the_outcome(one: OneDaemon, origin: Path, tmp_path: Path) -> None:
    refuse(origin, BRANCHES_OF_TASKS_ONLY)
    go = tmp_path / "go"
    running = asyncio.create_task(step(one, f"echo 1 > file; until test -e {go}; do sleep 0.05; done"))
    await until(
        lambda: any("makima: saved on here only" in log.read_text() for log in one.tasks.glob("*/task/log.txt"))
    )
    go.touch()
    outcome = await running
    assert outcome.status is OutcomeStatus.COMPLETED
    assert any(warning.startswith("saved on here only: ") for warning in outcome.warnings)


@pytest.mark.rule("6.8")
async def test_where_the_branch_decides_a_second_machine_does_not_take_it_from_the_first(
    one: OneDaemon, other: OneDaemon, origin: Path, tmp_path: Path, git: GitCommand
) -> None:
    refuse(origin, BRANCHES_OF_TASKS_ONLY)
    go, began = tmp_path / "go", tmp_path / "began"
    late = asyncio.create_task(
        step(other, f"echo other > file; touch {began}; until test -e {go}; do sleep 0.05; done")
    )
    await until(began.exists)
    assert (await step(one, "echo one > file")).status is OutcomeStatus.COMPLETED
    go.touch()
    outcome = await late
    assert outcome.failure
    assert "is at" in outcome.failure.report
    assert git(origin, "show", "makima/x:file") == "one"
