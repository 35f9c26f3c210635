"""A pull request's own base is read before every merge and every push; the old one is never merged into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.repositories import RepositoryCache
from domain.errors import BaseBranchMissing
from domain.failures import RepositoryTrouble
from domain.models import TaskKind
from domain.pull_request import PullRequestWanted
from domain.spawn_task import OutcomeStatus
from tests.integration.completions import BRANCH, Completions, head

pytestmark = pytest.mark.rule("7.3")
GitCommand = Callable[..., str]
Committer = Callable[..., str]
NO_AGENT = "exit 9"


async def test_the_base_that_a_person_has_chosen_is_merged_and_the_old_one_is_not(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    git(origin, "branch", "release", "main")
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    commit({"only-main": "m\n"}, branch="main")
    commit({"only-release": "r\n"}, "release", branch="release")
    completions.forge.retargeted_by_hand(1, "release")
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, "release"))])
    assert done.shipped
    assert done.shipped.pull_request.base == "release"
    assert completions.files(BRANCH) == {"README", "only-release", "roof", "walls"}


async def test_one_that_is_retargeted_during_the_merge_is_merged_anew(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    git(origin, "branch", "release", "main")
    walls = commit({"walls": "w\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    commit({"only-main": "m\n"}, branch="main")
    completions.forge.at_read(2, lambda: completions.forge.retargeted_by_hand(1, "release"))
    await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert completions.files(BRANCH) == {"README", "roof", "walls"}


async def test_an_operators_choice_is_told_to_the_forge_before_the_merge(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    git(origin, "branch", "release", "main")
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    commit({"only-main": "m\n"}, branch="main")
    wanted = PullRequestWanted(title="t", body="b", known=completions.known, branches=(BRANCH,), retarget="release")
    steps = [head("Roof", commit({"roof": "r\n"}, "release"))]
    done = await completions.does(NO_AGENT, steps, pull_request=wanted, base_branch="release")
    assert done.shipped
    assert done.shipped.pull_request.base == "release"
    assert "retarget" in completions.forge.calls
    assert completions.files(BRANCH) == {"README", "roof", "walls"}


async def test_a_base_that_is_gone_is_named_as_such(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    git(origin, "branch", "-m", "main", "trunk")
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, "trunk"))])
    assert (done.status, done.trouble) == (OutcomeStatus.FAILED, RepositoryTrouble.BASE_BRANCH)


async def test_work_of_another_history_than_the_bases_is_named_step_by_step(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    steps = [head("Walls", commit({"walls": "w\n"})), head("Roof", commit({"roof": "r\n"}))]
    tree = git(origin, "rev-parse", "main^{tree}")
    git(origin, "update-ref", "refs/heads/main", git(origin, "commit-tree", tree, "-m", "another beginning"))
    done = await completions.does(NO_AGENT, steps)
    assert done.trouble is RepositoryTrouble.UNRELATED
    assert done.failure
    assert "the work of 'Walls', 'Roof' has no commit in common" in done.failure.report


async def test_without_a_name_the_base_is_what_the_remotes_head_names(
    completions: Completions, cache: RepositoryCache, git: GitCommand, origin: Path
) -> None:
    git(origin, "branch", "-m", "main", "trunk")
    git(origin, "symbolic-ref", "HEAD", "refs/heads/trunk")
    does = completions.daemon.does
    prepared = await does("exit 0", TaskKind.PREPARE, task=uuid4(), base_branch="")
    assert (prepared.base_branch, prepared.base_commit) == ("trunk", git(origin, "rev-parse", "trunk"))
    git(origin, "symbolic-ref", "HEAD", "refs/heads/gone")
    dangling = await does("exit 0", TaskKind.PREPARE, task=uuid4(), base_branch="")
    assert dangling.trouble is RepositoryTrouble.BASE_BRANCH
    assert dangling.failure
    assert "no default branch" in dangling.failure.report
    assert "trunk" in dangling.failure.report
    git(origin, "update-ref", "--no-deref", "HEAD", "refs/heads/trunk")
    with pytest.raises(BaseBranchMissing, match="no default branch"):
        await cache.default_branch()
