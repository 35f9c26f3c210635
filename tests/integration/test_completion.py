"""Finished steps brought together on one branch: by git, by an agent where it can't, and on top of people's work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import HandedBack
from domain.failures import FailureCategory
from domain.pull_request import PullRequestState
from domain.spawn_task import OutcomeStatus
from tests.integration.completions import BRANCH, Completions, head
from tests.integration.deliveries import until

pytestmark = pytest.mark.rule("7.1")
GitCommand = Callable[..., str]
Committer = Callable[..., str]
NO_AGENT = "exit 9"


async def test_what_git_can_merge_needs_no_agent_and_becomes_a_pull_request(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    steps = [head("Walls", commit({"walls": "w\n"})), head('$(touch "/tmp/x"); `id` --help', commit({"roof": "r\n"}))]
    done = await completions.does(NO_AGENT, steps, verify=("test -f walls", "test -f roof"))
    assert done.status is OutcomeStatus.COMPLETED
    assert done.work and done.shipped
    assert completions.files(BRANCH) == {"README", "roof", "walls"}
    made = done.shipped.pull_request
    assert (made.branch, made.base, made.number, made.version) == (BRANCH, "main", 1, 1)
    assert made.state is PullRequestState.OPEN
    assert made.head == done.work.head == git(origin, "rev-parse", BRANCH)
    assert done.work.verified == ("test -f walls", "test -f roof")
    assert (done.work.commits, done.work.files_changed) == (3, 2)
    assert git(origin, "log", "-1", "--format=%s", BRANCH) == 'Merge $(touch "/tmp/x"); `id` --help'
    assert completions.forge.wanted[0].title == "A house"


async def test_a_conflict_is_resolved_by_an_agent_that_knows_both_sides_and_the_checks(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, tmp_path: Path
) -> None:
    steps = [head("Red", commit({"README": "red\n"})), head("Blue", commit({"README": "blue\n"}))]
    steps.append(head("Green", commit({"README": "green\n", "green": "g\n"})))
    told = tmp_path / "told"
    script = f'cat >> {told}; grep -hv "^[<=>]" README > fresh; mv fresh README; git add README'
    done = await completions.does(script, steps, verify=("grep -q red README",), prompt="Merge them")
    assert done.status is OutcomeStatus.COMPLETED
    assert done.work
    assert git(origin, "show", f"{BRANCH}:README").split() == ["red", "blue", "green"]
    prompt = told.read_text()
    assert prompt.count("Merge them") == 2, "an agent for each conflict"
    for said in ("'Blue'", "'Green'", "- README", "change README", "- grep -q red README"):
        assert said in prompt
    for step in steps:
        assert git(origin, "merge-base", "--is-ancestor", step.commit, BRANCH) == ""
    subjects = git(origin, "log", "--first-parent", "--format=%s", f"main..{BRANCH}").splitlines()
    assert subjects == ["Merge Green", "Merge Blue", "change README"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("git add README", "markers are left in README"),
        ("sed -i '/^[<=]/d' README; git commit -qam done || true", "markers are left in README"),
        ("git merge --abort || true; echo purple > README", "'Blue' .* is not in the history"),
        (
            "git reset -q --hard HEAD^ || true; echo purple > README",
            "'what was merged before' .* is not in the history",
        ),
        ("makima directive fail 'too hard'", "gave up: too hard"),
        ("exit 3", "exit code 3"),
    ],
)
async def test_a_conflict_that_is_not_really_resolved_is_a_failure_and_nothing_is_pushed(
    completions: Completions, commit: Committer, script: str, said: str
) -> None:
    steps = [head("Red", commit({"README": "red\n"})), head("Blue", commit({"README": "blue\n"}))]
    done = await completions.does(script, steps)
    assert done.failure
    assert done.failure.category in (FailureCategory.CONFLICT, FailureCategory.HISTORY, FailureCategory.AGENT)
    completions.match(said, done.failure.report)
    assert BRANCH not in completions.branches()
    assert completions.forge.opened == []


async def test_a_result_that_does_not_pass_goes_to_the_agent_though_there_was_no_conflict(
    completions: Completions, commit: Committer
) -> None:
    steps = [head("Walls", commit({"walls": "w\n"})), head("Roof", commit({"roof": "r\n"}))]
    check = "test ! -f roof || test -f beams"
    done = await completions.does("touch beams", steps, verify=(check,))
    assert done.status is OutcomeStatus.COMPLETED
    assert completions.files(BRANCH) == {"README", "beams", "roof", "walls"}


async def test_a_result_that_never_passes_fails_and_is_not_pushed(completions: Completions, commit: Committer) -> None:
    done = await completions.does("true", [head("Walls", commit({"walls": "w\n"}))], verify=("test -f beams",))
    assert done.failure and done.failure.category is FailureCategory.VERIFY
    assert BRANCH not in completions.branches()
    assert completions.forge.opened == []


async def test_the_recorded_commit_is_merged_and_not_what_its_branch_has_become(
    completions: Completions, commit: Committer
) -> None:
    walls = commit({"walls": "w\n"}, branch="makima/walls")
    commit({"graffiti": "g\n"}, walls, branch="makima/walls")
    await completions.does(NO_AGENT, [head("Walls", walls)])
    assert completions.files(BRANCH) == {"README", "walls"}


async def test_a_base_branch_that_has_moved_is_merged_in_first(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    walls = head("Walls", commit({"walls": "w\n"}))
    commit({"fence": "f\n"}, branch="main")
    await completions.does(NO_AGENT, [walls])
    assert completions.files(BRANCH) == {"README", "fence", "walls"}
    fence = commit({"fence": "higher\n"}, branch="main")
    roof = head("Roof", commit({"roof": "r\n"}, walls.commit))
    await completions.does(NO_AGENT, [roof])
    assert completions.files(BRANCH) == {"README", "fence", "roof", "walls"}
    assert git(origin, "merge-base", "main", BRANCH) == fence
    assert completions.news() == {"roof", "walls"}


@pytest.mark.rule("7.3")
async def test_commits_that_people_have_pushed_stay(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    walls = head("Walls", commit({"walls": "w\n"}))
    first = await completions.does(NO_AGENT, [walls])
    assert first.work
    by_hand = commit({"door": "d\n"}, first.work.head, branch=BRANCH)
    await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls.commit))])
    assert completions.files(BRANCH) == {"README", "door", "roof", "walls"}
    git(origin, "merge-base", "--is-ancestor", by_hand, BRANCH)
    assert [each.number for each in completions.forge.opened] == [1]


@pytest.mark.rule("4.5")
async def test_what_was_taken_back_is_taken_out_of_a_branch_that_was_pushed_with_it(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    walls, roof = head("Walls", commit({"walls": "w\n"})), head("Roof", commit({"roof": "r\n"}))
    first = await completions.does(NO_AGENT, [walls, roof], pull_request=None, target_branch=BRANCH)
    assert first.work
    again = {"taken_back": (roof.commit,), "pull_request": None, "target_branch": BRANCH}
    done = await completions.does(NO_AGENT, [walls], **again)
    assert completions.files(BRANCH) == {"README", "walls"}
    (warning,) = [each for each in done.warnings if "taken back" in each]
    assert first.work.head in warning, "whoever wants it back knows where it is"
    quiet = await completions.does(NO_AGENT, [walls], **again)
    assert not any("taken back" in each for each in quiet.warnings)


@pytest.mark.rule("4.5")
async def test_commits_of_people_are_not_thrown_away_with_what_was_taken_back(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    roof = head("Roof", commit({"roof": "r\n"}))
    again = {"pull_request": None, "target_branch": BRANCH}
    first = await completions.does(NO_AGENT, [roof], **again)
    assert first.work
    by_hand = commit({"door": "d\n"}, first.work.head, branch=BRANCH)
    walls = head("Walls", commit({"walls": "w\n"}))
    done = await completions.does(NO_AGENT, [walls], taken_back=(roof.commit,), **again)
    assert done.failure
    assert done.failure.category is FailureCategory.REPOSITORY
    assert f"commits of people ({by_hand})" in done.failure.report
    assert completions.files(BRANCH) == {"README", "door", "roof"}


@pytest.mark.rule("7.3")
async def test_a_branch_that_a_person_has_rewritten_stays_rewritten(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    walls = head("Walls", commit({"walls": "w\n", "README": "mine\n"}))
    await completions.does(NO_AGENT, [walls])
    rewritten = commit({"walls": "better\n"}, branch=BRANCH)
    await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls.commit))])
    git(origin, "merge-base", "--is-ancestor", rewritten, BRANCH)
    assert git(origin, "show", f"{BRANCH}:walls") == "better"
    assert git(origin, "show", f"{BRANCH}:README") == "hello"
    assert completions.files(BRANCH) == {"README", "roof", "walls"}


@pytest.mark.rule("6.7")
@pytest.mark.parametrize("stopped_in", ["a conflict of steps", "a conflict with the base branch", "a failing check"])
async def test_an_interrupted_merge_goes_on_from_its_checkpoint_and_takes_nothing_back(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, tmp_path: Path, stopped_in: str
) -> None:
    steps = [head("Red", commit({"README": "red\n"})), head("Walls", commit({"walls": "w\n"}))]
    verify = ("test -f half && test -f whole",)
    if stopped_in == "a conflict of steps":
        steps.append(head("Blue", commit({"README": "blue\n"})))
    if stopped_in == "a conflict with the base branch":
        commit({"README": "blue\n"}, branch="main")
    began = tmp_path / "began"
    resolved = "echo purple > README; echo half > half"
    working = asyncio.create_task(completions.does(f"{resolved}; touch {began}; exec sleep 60", steps, verify=verify))
    await until(began.exists)
    completions.daemon.runner.stop()
    with pytest.raises(HandedBack):
        await working
    commit({"fence": "f\n"}, branch="main")

    done = await completions.delivered("grep purple README; grep half half; touch whole")
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert completions.files(BRANCH) == {"README", "fence", "half", "walls", "whole"}
    assert git(origin, "show", f"{BRANCH}:README") == "purple"
    assert completions.news() == {"README", "half", "walls", "whole"}


@pytest.mark.rule("7.3")
@pytest.mark.parametrize("meanwhile", ["pushed to", "merged"])
async def test_a_checkpoint_on_a_branch_that_went_on_is_not_laid_over_it(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, tmp_path: Path, meanwhile: str
) -> None:
    first = await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    steps = [head("Red", commit({"README": "red\n"})), head("Blue", commit({"README": "blue\n"}))]
    began = tmp_path / "began"
    working = asyncio.create_task(completions.does(f"touch {began} half; exec sleep 60", steps))
    await until(began.exists)
    completions.daemon.runner.stop()
    with pytest.raises(HandedBack):
        await working
    assert first.work
    commit({"walls": "by hand\n"}, first.work.head, branch=BRANCH)
    if meanwhile == "merged":
        completions.forge.merge(1, "squash")

    done = await completions.delivered("test ! -e half; echo purple > README")
    assert done.work, done.failure
    assert git(origin, "show", f"{done.work.branch}:walls") == "by hand"
    assert completions.news(done.work.branch) == ({"README"} if meanwhile == "merged" else {"README", "walls"})


async def test_a_completion_without_a_pull_request_only_pushes(completions: Completions, commit: Committer) -> None:
    walls = head("Walls", commit({"walls": "w\n"}))
    done = await completions.does(NO_AGENT, [walls], pull_request=None, target_branch="makima/plain")
    assert done.status is OutcomeStatus.COMPLETED
    assert done.shipped is None
    assert completions.files("makima/plain") == {"README", "walls"}
    assert completions.forge.calls == []
