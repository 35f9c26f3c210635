"""A pull request's own base is read before every merge and every push; the old one is never merged into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.repository_cache import RepositoryCache
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


@pytest.mark.parametrize("when", ["before", "during the merge"])
async def test_a_conflict_that_was_resolved_with_the_old_base_does_not_bring_it_in(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, when: str
) -> None:
    """Its fix is finished, and a person has retargeted the pull request since."""
    git(origin, "branch", "release", "main")
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    moved = commit({"only-main": "m\n"}, branch="main")
    tree = git(origin, "merge-tree", "--write-tree", BRANCH, moved).splitlines()[0]
    fixed = git(origin, "commit-tree", tree, "-p", BRANCH, "-p", moved, "-m", "Merge main")
    git(origin, "update-ref", "refs/heads/makima/fix", fixed)
    fix, roof = head("Merge the base branch", fixed, moved), head("Roof", commit({"roof": "r\n"}, BRANCH))
    if when == "before":
        completions.forge.retargeted_by_hand(1, "release")
    else:
        completions.forge.at_read(2, lambda: completions.forge.retargeted_by_hand(1, "release"))
    done = await completions.does(NO_AGENT, [fix, roof])
    assert done.not_merged == (fix.task,)
    assert completions.files(BRANCH) == {"README", "roof", "walls"}
    assert done.shipped
    assert done.shipped.pull_request.base == "release"


async def test_a_conflict_that_was_resolved_with_the_base_as_it_is_is_merged(
    completions: Completions, commit: Committer
) -> None:
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    moved = commit({"only-main": "m\n"}, branch="main")
    done = await completions.does(NO_AGENT, [head("Merge the base branch", moved, moved)])
    assert done.not_merged == ()
    assert completions.files(BRANCH) == {"README", "only-main", "walls"}


async def test_a_pull_request_that_nobody_recorded_and_a_person_retargeted_is_found_again(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    """The daemon has died after it had opened it."""
    git(origin, "branch", "release", "main")
    walls = head("Walls", commit({"walls": "w\n"}))
    await completions.does(NO_AGENT, [walls])
    completions.known, completions.pushed = None, []
    completions.forge.retargeted_by_hand(1, "release")
    commit({"only-main": "m\n"}, branch="main")
    done = await completions.does(NO_AGENT, [walls])
    assert done.shipped
    assert (done.shipped.pull_request.number, done.shipped.pull_request.base) == (1, "release")
    assert len(completions.forge.opened) == 1
    assert completions.files(BRANCH) == {"README", "walls"}


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
