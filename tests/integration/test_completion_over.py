"""What follows a pull request that was merged, by whatever method, or closed: only new work goes into the next one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.bridges import bridge
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from domain.failures import FailureCategory
from domain.pull_request import PullRequest, PullRequestState
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.completions import BRANCH, NEXT, THIRD, Completions, head

GitCommand = Callable[..., str]
Committer = Callable[..., str]
NO_AGENT = "exit 9"
METHODS = pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
OF_ONE_COMMIT = pytest.mark.parametrize("how", ["merge", "squash"])
"""A rebase of one commit leaves what a squash does, but for the message: the same files, on top of the base branch."""


@METHODS
@pytest.mark.rule("7.2")
@pytest.mark.rule("7.3")
async def test_after_a_merge_the_next_pull_request_holds_only_what_is_new(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, how: str
) -> None:
    walls = commit({"walls": "one\ntwo\nthree\n", "README": "walls\n"})
    door = commit({"door": "d\n", "walls": "one\ntwo\ndoor\n"}, walls)
    first = await completions.does(NO_AGENT, [head("Walls", walls), head("Door", door)])
    merged = completions.forge.merge(1, how)
    commit({"walls": "ONE\ntwo\ndoor\n"}, branch="main")  # people go on

    roof = commit({"roof": "r\n", "walls": "one\ntwo\ndoor\nroof\n"}, door)
    done = await completions.does(NO_AGENT, [head("Roof", roof)])
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert done.shipped and done.shipped.over and first.work
    assert (done.shipped.over[0].number, done.shipped.over[0].head) == (1, first.work.head)
    assert done.shipped.over[0].state is PullRequestState.MERGED
    made = done.shipped.pull_request
    assert (made.branch, made.number, made.version) == (NEXT, 2, 2)
    assert completions.news(NEXT) == {"roof", "walls"}
    shown = git(origin, "diff", f"main...{NEXT}", "--", "walls").splitlines()
    assert [line for line in shown if line[0] in "+-" and line[:3] not in ("+++", "---")] == ["+roof"]

    completions.bridges = (merged.head,)
    # A forge would replay the first one's commits, too, to rebase the second: they are in its history, not in its diff.
    completions.forge.merge(2, "squash" if how == "rebase" else how)
    garden = head("Garden", commit({"garden": "g\n"}, roof))
    third = await completions.does(NO_AGENT, [garden])
    assert third.status is OutcomeStatus.COMPLETED, third.failure
    assert completions.news(THIRD) == {"garden"}
    completions.forge.merge(3, "squash")
    assert completions.files("main") == {"README", "door", "garden", "roof", "walls"}
    assert git(origin, "show", "main:walls").split() == ["ONE", "two", "door", "roof"]


@OF_ONE_COMMIT
@pytest.mark.rule("7.2")
async def test_work_that_began_after_the_merge_is_listed_alone(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, how: str
) -> None:
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    completions.bridges = (completions.forge.merge(1, how).head,)
    roof = commit({"roof": "r\n"}, git(origin, "rev-parse", "main"))
    await completions.does(NO_AGENT, [head("Roof", roof)])
    assert git(origin, "rev-list", "--no-merges", f"main..{NEXT}").split() == [roof]


@OF_ONE_COMMIT
@pytest.mark.rule("7.2")
async def test_work_that_began_before_the_merge_is_listed_alone_unless_it_builds_on_what_was_merged(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, how: str
) -> None:
    walls, roof = commit({"walls": "w\n"}), commit({"roof": "r\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    completions.bridges = (completions.forge.merge(1, how).head,)
    await completions.does(NO_AGENT, [head("Roof", roof)])
    assert git(origin, "rev-list", "--no-merges", f"main..{NEXT}").split() == [roof]
    door = commit({"door": "d\n"}, walls)
    await completions.does(NO_AGENT, [head("Door", door)])
    listed = git(origin, "rev-list", "--no-merges", f"main..{NEXT}").split()
    assert set(listed) == ({roof, door} if how == "merge" else {roof, door, walls})
    assert completions.news(NEXT) == {"roof", "door"}


@OF_ONE_COMMIT
@pytest.mark.rule("7.2")
async def test_a_step_on_merged_and_unmerged_work_starts_from_both_without_a_conflict(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, how: str
) -> None:
    walls = commit({"walls": "one\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    merged = completions.forge.merge(1, how)
    commit({"walls": "one, painted\n"}, branch="main")
    roof = head("Roof", commit({"roof": "r\n", "walls": "one\n"}, walls))
    step = {"task": uuid4(), "target_branch": "makima/chimney", "bridges": (merged.head,)}
    done = await completions.daemon.does("touch chimney", TaskKind.STEP, continue_from=roof, **step)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert completions.news("makima/chimney") == {"chimney", "roof"}
    assert git(origin, "show", "makima/chimney:walls") == "one, painted"
    assert done.work
    chimney = head("Chimney", done.work.head)
    await completions.does(NO_AGENT, [roof, chimney])
    assert completions.news(NEXT) == {"chimney", "roof"}


@pytest.mark.rule("7.2")
@pytest.mark.parametrize("base_commit", ["", "main"])
async def test_a_step_on_merged_work_alone_starts_from_the_base_branch(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path, base_commit: str
) -> None:
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    old = git(origin, "rev-parse", "main")
    merged = completions.forge.merge(1, "squash")
    fields = {"bridges": (merged.head,), "base_commit": old} if base_commit else {"base_commit": ""}
    done = await completions.daemon.does("touch roof", TaskKind.STEP, task=uuid4(), target_branch="makima/x", **fields)
    assert done.work
    assert git(origin, "rev-parse", "makima/x^") == git(origin, "rev-parse", "main")


@pytest.mark.rule("7.3")
async def test_what_a_closed_pull_request_held_goes_into_the_next_one(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    walls = commit({"walls": "w\n"})
    first = await completions.does(NO_AGENT, [head("Walls", walls)])
    assert first.work
    commit({"by hand": "h\n"}, first.work.head, branch=BRANCH)
    completions.forge.close(1)
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.shipped and done.shipped.over
    assert done.shipped.over[0].state is PullRequestState.CLOSED
    assert completions.news(NEXT) == {"by hand", "roof", "walls"}


@pytest.mark.rule("7.3")
async def test_of_one_that_is_known_to_be_closed_only_the_steps_count_that_core_ships_again(
    completions: Completions, commit: Committer
) -> None:
    await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    completions.known = completions.forge.close(1)
    await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}))])
    assert completions.news(NEXT) == {"roof"}


@pytest.mark.rule("7.3")
async def test_one_that_is_merged_while_the_work_goes_on_gets_nothing_more(
    completions: Completions, commit: Committer
) -> None:
    walls = commit({"walls": "w\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    completions.forge.at_read(2, lambda: completions.forge.merge(1, "squash"))
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.shipped and done.shipped.over
    assert (done.shipped.pull_request.branch, done.shipped.over[0].number) == (NEXT, 1)
    assert completions.news(NEXT) == {"roof"}
    assert BRANCH not in completions.branches()


@pytest.mark.rule("7.3")
async def test_one_that_is_merged_just_before_the_push_leaves_the_work_to_the_next_one(
    completions: Completions, commit: Committer
) -> None:
    walls = commit({"walls": "w\n"})
    first = await completions.does(NO_AGENT, [head("Walls", walls)])
    assert first.work
    before_the_push = first.work.head
    completions.forge.at_read(3, lambda: completions.forge.merge(1, "squash", before_the_push))
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.shipped and done.shipped.over
    assert (done.shipped.pull_request.branch, done.shipped.over[0].head) == (NEXT, before_the_push)
    assert completions.news(NEXT) == {"roof"}


@pytest.mark.rule("7.3")
async def test_one_that_is_merged_with_the_work_just_pushed_needs_no_other_one(
    completions: Completions, commit: Committer
) -> None:
    walls = commit({"walls": "w\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    completions.forge.at_read(3, lambda: completions.forge.merge(1, "merge"))
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.shipped and done.shipped.over == ()
    assert done.shipped.pull_request.state is PullRequestState.MERGED
    assert completions.files("main") == {"README", "roof", "walls"}
    assert len(completions.forge.opened) == 1


@OF_ONE_COMMIT
@pytest.mark.rule("7.2")
@pytest.mark.rule("7.3")
async def test_one_that_is_merged_without_the_work_just_pushed_leaves_it_to_the_next_one(
    completions: Completions, commit: Committer, how: str
) -> None:
    """The forge hadn't seen the push when a person merged, between our last look and our update."""
    walls = commit({"walls": "w\n"})
    first = await completions.does(NO_AGENT, [head("Walls", walls)])
    assert first.work
    without_the_roof, forge = first.work.head, completions.forge

    def merge_once() -> None:
        forge.before_update = None
        forge.merge(1, how, without_the_roof)

    forge.before_update = merge_once
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.shipped and done.work
    made = done.shipped.pull_request
    assert (made.branch, made.number, made.state) == (NEXT, 2, PullRequestState.OPEN)
    assert [(each.number, each.head) for each in done.shipped.over] == [(1, without_the_roof)]
    assert completions.news(NEXT) == {"roof"}
    assert completions.files("main") == {"README", "walls"}


@OF_ONE_COMMIT
@pytest.mark.rule("7.2")
async def test_a_later_completion_finds_out_what_was_merged_without(
    completions: Completions, commit: Committer, how: str
) -> None:
    walls = commit({"walls": "w\n"})
    first = await completions.does(NO_AGENT, [head("Walls", walls)])
    second = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert first.work and second.work
    completions.forge.merge(1, how, first.work.head)
    done = await completions.does(NO_AGENT, [head("Door", commit({"door": "d\n"}, walls))])
    assert done.shipped
    assert done.shipped.unmerged == (second.work.head,)
    assert completions.news(NEXT) == {"door"}


@pytest.mark.rule("7.3")
async def test_all_versions_that_are_found_over_are_named(completions: Completions, commit: Committer) -> None:
    walls = head("Walls", commit({"walls": "w\n"}))
    await completions.does(NO_AGENT, [walls])
    known = completions.known
    completions.forge.merge(1, "squash")
    await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}))])
    completions.forge.close(2)
    completions.known = known
    done = await completions.does(NO_AGENT, [head("Door", commit({"door": "d\n"}))])
    assert done.shipped
    states = [(each.number, each.version, each.state) for each in done.shipped.over]
    assert states == [(1, 1, PullRequestState.MERGED), (2, 2, PullRequestState.CLOSED)]
    made = done.shipped.pull_request
    assert (made.branch, made.version) == (THIRD, 3)
    assert completions.news(THIRD) == {"door", "roof"}


@pytest.mark.rule("7.3")
async def test_one_whose_end_nobody_has_noted_is_found_by_its_branch(
    completions: Completions, commit: Committer
) -> None:
    walls = commit({"walls": "w\n"})
    await completions.does(NO_AGENT, [head("Walls", walls)])
    completions.forge.merge(1, "squash")
    completions.known = None
    done = await completions.does(NO_AGENT, [head("Roof", commit({"roof": "r\n"}, walls))])
    assert done.shipped
    assert (done.shipped.pull_request.branch, done.shipped.pull_request.version) == (NEXT, 2)
    assert completions.news(NEXT) == {"roof"}


@pytest.mark.rule("7.3")
async def test_nothing_is_pushed_to_the_base_branch_whatever_pull_request_was_named(
    completions: Completions, commit: Committer, git: GitCommand, origin: Path
) -> None:
    before = git(origin, "rev-parse", "main")
    completions.known = PullRequest(branch="main", head=before, base="release", number=1, state=PullRequestState.OPEN)
    done = await completions.does(NO_AGENT, [head("Walls", commit({"walls": "w\n"}))])
    assert done.failure and "comes from the base branch 'main'" in done.failure.report
    assert git(origin, "rev-parse", "main") == before


@pytest.mark.rule("7.3")
async def test_where_every_pull_request_is_over_the_directive_is_told(
    completions: Completions, commit: Committer
) -> None:
    for number, file in enumerate(("a", "b", "c", "d"), start=1):
        await completions.does(NO_AGENT, [head(file, commit({file: file}))])
        completions.forge.merge(number, "merge")
    completions.known = None
    done = await completions.does(NO_AGENT, [head("e", commit({"e": "e"}))])
    assert done.failure and done.failure.category is FailureCategory.REPOSITORY
    assert "are all over" in done.failure.report


@pytest.mark.rule("7.2")
async def test_two_machines_make_the_same_bridge_and_none_where_the_base_holds_everything(
    cache: RepositoryCache, tmp_path: Path, repositories: Repositories, commit: Committer, git: GitCommand, origin: Path
) -> None:
    base, one, two = git(origin, "rev-parse", "main"), commit({"a": "1"}), commit({"b": "2"})
    later = commit({"c": "3"}, two)
    for each in (one, two, later):
        git(origin, "update-ref", f"refs/pull/{each}/head", each)
    moved = commit({"moved": "m"}, branch="main")
    await cache.fetch()
    other = await RepositoryCache.make(cache.git, cache.url, tmp_path / "elsewhere")
    await other.fetch()
    made = await bridge(cache, moved, [one, two, later, one])
    assert made == await bridge(other, moved, [one, two, later])
    assert (await cache.local("rev-parse", f"{made}^@")).text.split() == [moved, one, later]
    assert (await cache.local("rev-parse", f"{made}^{{tree}}")).text == git(origin, "rev-parse", "main^{tree}")
    assert await bridge(cache, moved, [base, moved]) == moved
    assert await bridge(cache, made, [one, two]) == made
    assert await bridge(cache, moved, []) == moved
    assert await bridge(cache, moved, ["f" * 40]) == moved, "what is lost everywhere holds up nothing"
