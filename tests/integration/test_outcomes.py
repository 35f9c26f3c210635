"""Exactly once, by a ref that can be created only once (rule 6.8, docs/decisions/0002)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.git.worktrees import Worktree
from daemon.sandbox.environment import GitIdentity
from daemon.saving.outcomes import Outcomes, outcome_ref
from domain.errors import GitError, LeaseLost, RefRefused
from tests.integration.sides import committed, take

GitCommand = Callable[..., str]
Committer = Callable[..., str]
TASK = "0d9c2b1e-7a64-5a51-9c1c-7e2f0a9d3b55"


@pytest_asyncio.fixture
async def here(cache: RepositoryCache) -> Outcomes:
    """A delivery's view of the origin."""
    return Outcomes(cache)


@pytest_asyncio.fixture
async def there(daemon_git: Git, tmp_path: Path, origin: Path) -> Outcomes:
    """The view of another delivery, on another machine."""
    return Outcomes(await Repositories(daemon_git, tmp_path / "other machine").at(f"file://{origin}"))


async def work_done(cache: RepositoryCache, git: Git, path: Path, text: str) -> str:
    """The commit of a task's work, taken into the cache, its worktree removed."""
    base = await cache.branch_commit("main")
    assert base
    identity = GitIdentity("Agent", "agent@example.com")
    worktree = await Worktree.make(path, cache=cache.folder, commit=base, runs=git.run_plainly, identity=identity)
    (path / "work").write_text(text)
    head = await committed(worktree, "Work", {})
    assert head
    await take(worktree, cache, head)
    await worktree.remove()
    return head


def hook(origin: Path, name: str, script: str) -> None:
    (origin / "hooks").mkdir(exist_ok=True)
    (origin / "hooks" / name).write_text(f"#!/bin/sh\n{script}\n")
    (origin / "hooks" / name).chmod(0o755)


@pytest.mark.rule("6.8")
async def test_a_fresh_attempt_has_no_outcome(here: Outcomes) -> None:
    assert await here.find_outcome(TASK, 1) is None


@pytest.mark.rule("6.8")
async def test_another_machine_finds_the_outcome_and_the_work_of_a_daemon_that_died_before_it_pushed_the_branch(
    here: Outcomes,
    there: Outcomes,
    cache: RepositoryCache,
    daemon_git: Git,
    tmp_path: Path,
    git: GitCommand,
    origin: Path,
) -> None:
    head = await work_done(cache, daemon_git, tmp_path / "tree", "work")
    payload = b'{"status": "completed", "note": "\xc3\xbc\\n"}\n'
    assert (await here.publish_outcome(TASK, 1, payload, head)).won
    shutil.rmtree(cache.folder)

    found = await there.find_outcome(TASK, 1)
    assert found
    assert (found.payload, found.head) == (payload, head)
    assert await there.find_outcome(TASK, 2) is None
    await there.push_branch("makima/work-0d9c2b1e", head, None)
    assert git(origin, "show", "makima/work-0d9c2b1e:work") == "work"
    await there.push_branch("makima/work-0d9c2b1e", head, None)  # being there already is success
    assert git(origin, "for-each-ref", "--format=%(refname)", "refs/heads/makima") == "refs/heads/makima/work-0d9c2b1e"


@pytest.mark.rule("6.8")
async def test_of_two_deliveries_at_once_exactly_one_wins_and_both_learn_the_same_outcome(
    here: Outcomes, there: Outcomes, git: GitCommand, origin: Path
) -> None:
    for attempt in range(1, 9):
        first, second = await asyncio.gather(
            here.publish_outcome(TASK, attempt, b"here", None), there.publish_outcome(TASK, attempt, b"there", None)
        )
        assert sorted((first.won, second.won)) == [False, True]
        assert first.outcome == second.outcome
        assert first.outcome.payload == (b"here" if first.won else b"there")
        assert git(origin, "rev-parse", outcome_ref(TASK, attempt)) == first.outcome.commit


@pytest.mark.rule("6.8")
async def test_a_late_delivery_gets_the_outcome_that_counts(here: Outcomes, there: Outcomes) -> None:
    first = await here.publish_outcome(TASK, 1, b"first", None)
    second = await there.publish_outcome(TASK, 1, b"second", None)
    assert (second.won, second.outcome) == (False, first.outcome)


@pytest.mark.rule("6.8")
async def test_a_push_that_arrived_though_its_answer_was_lost_counts_as_won(here: Outcomes, origin: Path) -> None:
    # The remote's process is killed once the ref is there, before it can answer.
    hook(origin, "post-receive", "kill -9 $PPID")
    published = await here.publish_outcome(TASK, 1, b"mine", None)
    assert published.won
    assert published.outcome.payload == b"mine"
    await here.push_branch("makima/x", published.outcome.commit, None)


@pytest.mark.rule("6.8")
@pytest.mark.parametrize("refusal", ["pre-receive", "update", "hidden"])
async def test_a_remote_that_takes_no_such_refs_is_told_from_a_lost_race(
    here: Outcomes, origin: Path, git: GitCommand, refusal: str
) -> None:
    if refusal == "hidden":
        for hidden in ("refs/makima", "refs/heads/makima-state"):
            git(origin, "config", "--add", "receive.hideRefs", hidden)
    else:
        hook(origin, refusal, "echo no >&2; exit 1")
    with pytest.raises(RefRefused, match="refuses refs/makima/outcomes"):
        await here.publish_outcome(TASK, 1, b"mine", None)


@pytest.mark.rule("6.8")
async def test_a_remote_that_could_not_write_is_told_from_one_that_refuses(
    here: Outcomes, origin: Path, git: GitCommand
) -> None:
    (origin / "refs" / "makima").write_text("in the way of a folder")
    with pytest.raises(GitError) as failure:
        await here.publish_outcome(TASK, 1, b"mine", None)
    assert not isinstance(failure.value, RefRefused)
    (origin / "refs" / "makima").unlink()
    assert (await here.publish_outcome(TASK, 1, b"mine", None)).won


@pytest.mark.rule("6.8")
async def test_a_branch_is_moved_only_from_where_it_was_expected(
    here: Outcomes, cache: RepositoryCache, commit: Committer, git: GitCommand, origin: Path
) -> None:
    old, new, foreign = commit({"a": "1\n"}, branch="one"), commit({"b": "1\n"}, branch="two"), commit({"c": "1\n"})
    await cache.fetch()
    await here.push_branch("makima/x", old, None)
    await here.push_branch("makima/x", new, old)
    git(origin, "update-ref", "refs/heads/makima/x", foreign)
    with pytest.raises(LeaseLost, match=f"is at {foreign}, not at {new}"):
        await here.push_branch("makima/x", old, new)
    with pytest.raises(LeaseLost, match="not at none"):
        await here.push_branch("makima/x", old, None)
    assert git(origin, "rev-parse", "makima/x") == foreign


@pytest.mark.rule("6.8")
async def test_a_branch_that_the_remote_protects_is_refused(
    here: Outcomes, cache: RepositoryCache, origin: Path, commit: Committer
) -> None:
    new = commit({"a": "1\n"}, branch="one")
    await cache.fetch()
    hook(origin, "update", 'case "$1" in refs/heads/*) exit 1;; esac')
    with pytest.raises(RefRefused):
        await here.push_branch("makima/x", new, None)
    assert (await here.publish_outcome(TASK, 1, b"mine", new)).won, "the outcome does not hang on the branch"


@pytest.mark.rule("6.13")
async def test_a_branch_that_its_user_has_checked_out_is_never_moved_under_their_files(
    repositories: Repositories, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    checkout = tmp_path / "mine"
    git(tmp_path, "clone", "--quiet", str(origin), str(checkout))
    git(checkout, "switch", "--quiet", "--create", "makima/x")
    git(checkout, "config", "receive.denyCurrentBranch", "updateInstead")
    old = git(checkout, "rev-parse", "HEAD")
    cache = await repositories.at(str(checkout))
    await cache.fetch()
    new = git(checkout, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "new")
    await cache.ensure([new])
    with pytest.raises(RefRefused, match="currently checked out"):
        await Outcomes(cache).push_branch("makima/x", new, old)
    assert git(checkout, "rev-parse", "HEAD") == old
    await Outcomes(cache).push_branch("makima/y", new, None)
    assert git(checkout, "rev-parse", "makima/y") == new


@pytest.mark.rule("6.2")
async def test_hooks_in_the_cache_do_not_run_when_the_daemon_pushes_and_fetches(
    here: Outcomes, cache: RepositoryCache, tmp_path: Path, commit: Committer
) -> None:
    for name in ("pre-push", "reference-transaction"):
        hook(cache.folder, name, f"touch '{tmp_path}/sprung'; exit 1")
    assert (await here.publish_outcome(TASK, 1, b"mine", None)).won
    moved = commit({"a": "1\n"}, branch="main")
    await cache.fetch()
    assert await cache.branch_commit("main") == moved
    assert not (tmp_path / "sprung").exists()
