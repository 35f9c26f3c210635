"""A pull request's own base is read before every merge and every push; the old one is never merged into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.repository_cache import RepositoryCache
from domain.errors import BaseBranchMissing
from domain.failures import RepositoryTrouble
from domain.pull_request import PullRequest, PullRequestWanted
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.completions import BRANCH, NEXT, Completions, head

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


# Siblings


async def test_one_that_is_retargeted_twice_during_the_merge_goes_into_the_last_one(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    for name in ("release", "next"):
        git(origin, "branch", name, "main")
        commit({f"only-{name}": "x\n"}, name, branch=name)
    walls = commit({"walls": "w\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    commit({"only-main": "m\n"}, branch="main")

    def twice() -> None:
        completions.forge.retargeted_by_hand(1, "release")
        completions.forge.at_read(1, lambda: completions.forge.retargeted_by_hand(1, "next"))

    completions.forge.at_read(2, twice)
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.shipped
    assert done.shipped.pull_request.base == "next"
    assert completions.files(BRANCH) == {"README", "only-next", "roof", "walls"}


async def test_a_base_that_is_renamed_and_made_anew_is_followed_by_its_new_name(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    """The forge retargets its pull request to the new name; somebody puts something else at the old one."""
    walls = commit({"walls": "w\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    git(origin, "branch", "-m", "main", "trunk")
    tree = git(origin, "rev-parse", "trunk^{tree}")
    git(origin, "update-ref", "refs/heads/main", git(origin, "commit-tree", tree, "-m", "another beginning"))
    completions.forge.retargeted_by_hand(1, "trunk")
    commit({"only-trunk": "t\n"}, "trunk", branch="trunk")
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.shipped, done.failure
    assert done.shipped.pull_request.base == "trunk"
    assert completions.files(BRANCH) == {"README", "only-trunk", "roof", "walls"}


async def test_one_that_would_be_merged_into_its_own_branch_is_named_and_nothing_is_pushed(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    before = git(origin, "rev-parse", BRANCH)
    completions.forge.retargeted_by_hand(1, BRANCH)
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}))])
    assert (done.status, git(origin, "rev-parse", BRANCH)) == (OutcomeStatus.FAILED, before)
    assert done.failure
    assert "is to be merged into its own branch" in done.failure.report


async def test_a_step_whose_base_holds_another_history_by_now_can_be_begun_there(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    fields = {"base_commit": "1" * 40, "target_branch": "makima/step", "step_name": "Roof"}
    done = await completions.daemon.does("echo b > b", TaskKind.STEP, task=uuid4(), **fields)
    assert (done.status, done.trouble) == (OutcomeStatus.FAILED, RepositoryTrouble.UNRELATED)
    assert done.failure
    assert "is gone from 'main'" in done.failure.report and "`retry-step` begins it there" in done.failure.report


@pytest.mark.parametrize("known", ["here", "another machine"])
async def test_a_step_whose_base_was_deleted_asks_where_to_begin_and_has_not_failed(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, known: str
) -> None:
    """The commit that was recorded of it is nowhere on the remote any more."""
    began = commit({"old": "o\n"}, branch="old")
    git(origin, "branch", "other", "main")
    fields = {"base_branch": "old", "base_commit": began, "target_branch": "makima/step"}
    if known == "here":
        earlier = await completions.daemon.does("echo a > a", TaskKind.STEP, task=uuid4(), **fields)
        assert earlier.work, earlier.failure
    git(origin, "update-ref", "-d", "refs/heads/old")
    git(origin, "reflog", "expire", "--expire=all", "--all")
    git(origin, "prune")
    done = await completions.daemon.does("echo b > b", TaskKind.STEP, task=uuid4(), **fields)
    if known == "here":
        assert done.work, done.failure
    else:
        assert (done.status, done.trouble) == (OutcomeStatus.FAILED, RepositoryTrouble.BASE_BRANCH)
        assert done.failure
        assert "has no branch 'old'; it has main, other" in done.failure.report


async def test_a_base_that_was_replaced_under_an_open_pull_request_is_what_is_named(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    walls = commit({"walls": "w\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    tree = git(origin, "rev-parse", "main^{tree}")
    git(origin, "update-ref", "refs/heads/main", git(origin, "commit-tree", tree, "-m", "another beginning"))
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.failure
    assert f"the base branch 'main' has no commit in common with {BRANCH}" in done.failure.report
    completions.known = completions.forge.close(1)
    again = [head(name, commit({name: "n\n"}, "main")) for name in ("walls", "roof")]
    done = await completions.does(NO_AGENT, again)
    assert done.shipped, done.failure
    assert completions.files(NEXT) == {"README", "roof", "walls"}


@pytest.mark.parametrize(
    ("how", "is_known", "retarget", "into"),
    [
        ("merged", False, "", "release"),
        ("merged", False, "next", "next"),
        ("merged", True, "", "next"),
        ("closed", False, "", "next"),
    ],
)
async def test_where_the_next_one_goes_after_one_that_a_person_has_retargeted_is_over(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path,
    how: str, is_known: bool, retarget: str, into: str,
) -> None:  # fmt: skip
    """On to where it was merged, unless an operator has chosen since: what was closed says nothing."""
    for name in ("release", "next"):
        git(origin, "branch", name, "main")
    walls = commit({"walls": "w\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    completions.forge.retargeted_by_hand(1, "release")
    over = completions.forge.merge(1, "merge") if how == "merged" else completions.forge.close(1)
    if is_known:
        completions.known = over
    wanted = PullRequestWanted(title="t", body="b", known=completions.known, branches=(BRANCH, NEXT), retarget=retarget)
    steps = [head("Roof", commit({"roof": "r\n"}, walls))]
    done = await completions.does(NO_AGENT, steps, pull_request=wanted, base_branch="next")
    assert done.shipped, done.failure
    assert (done.shipped.pull_request.branch, done.shipped.pull_request.base) == (NEXT, into)


async def test_a_branch_that_was_pushed_without_a_pull_request_goes_into_the_directives_base(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    """Nobody has to be told of it, and nothing to be retargeted."""
    git(origin, "branch", "next", "main")
    walls = commit({"walls": "w\n"}, branch=BRANCH)
    commit({"only-main": "m\n"}, branch="main")
    known = PullRequest(branch=BRANCH, head=walls, base="main")
    wanted = PullRequestWanted(title="t", body="b", known=known, branches=(BRANCH, NEXT), retarget="next")
    steps = [head("Roof", commit({"roof": "r\n"}, walls))]
    done = await completions.does(NO_AGENT, steps, pull_request=wanted, base_branch="next")
    assert done.shipped, done.failure
    assert (done.shipped.pull_request.number, done.shipped.pull_request.base) == (1, "next")
    assert "retarget" not in completions.forge.calls
    assert completions.files(BRANCH) == {"README", "roof", "walls"}
