"""Work that isn't done yet is never lost, and never shows in a branch (rule 6.7)."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.git.side_repository import Snapshot
from daemon.git.worktrees import Incoming, Worktree
from daemon.sandbox.environment import GitIdentity
from daemon.saving.checkpoints import LARGEST, UNSAVED, Checkpoints
from domain.directive_settings import Limits
from domain.errors import WorktreeBroken
from domain.failures import FailureCategory
from domain.spawn_task import ContinueFrom, Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import TASK, OneDaemon, until
from tests.integration.sides import side_of, snapshot_of

GitCommand = Callable[..., str]
Committer = Callable[..., str]

SOON = timedelta(milliseconds=300)
TOKEN = "gh" + "p_" + "Ab3" * 12
"""Put together here, so that nobody takes this file for one that holds it."""


@pytest.fixture
def one(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path / "one", repositories, origin)


@pytest.fixture
def other(tmp_path: Path, daemon_git: Git, origin: Path) -> OneDaemon:
    """Another machine, which shares nothing with the first one but the remote."""
    return OneDaemon(tmp_path / "other", Repositories(daemon_git, tmp_path / "other" / "caches"), origin)


@pytest.fixture
async def worktree(cache: RepositoryCache, daemon_git: Git, tmp_path: Path) -> Worktree:
    base = await cache.branch_commit("main")
    assert base
    who = GitIdentity("Agent", "agent@example.com")
    path = tmp_path / "work"
    return await Worktree.make(path, cache=cache.folder, commit=base, runs=daemon_git.run_plainly, identity=who)


async def step(daemon: OneDaemon, script: str, **fields: Any) -> Outcome:
    """One delivery of a step whose agent is `script`."""
    given = {"checkpoint_every": SOON, "base_commit": await daemon.base(), "target_branch": "makima/x", **fields}
    return await daemon.does(script, TaskKind.STEP, name="House: build", step=uuid4(), step_name="build", **given)


def files_of(git: GitCommand, worktree: Worktree, snapshot: Snapshot) -> set[str]:
    return set(git(worktree.path, "ls-tree", "-r", "--name-only", snapshot.commit).splitlines())


def checkpoint_refs(git: GitCommand, repository: Path) -> list[str]:
    return git(repository, "for-each-ref", "--format=%(refname)", "refs/makima/checkpoints").splitlines()


@pytest.mark.rule("6.7")
async def test_a_snapshot_holds_what_is_there_and_leaves_the_work_as_it_is(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    (worktree.path / ".gitignore").write_text("*.o\n")
    (worktree.path / "README").write_text("changed\n")
    (worktree.path / "staged").write_text("staged\n")
    git(worktree.path, "add", "staged")
    (worktree.path / "new name").write_text("new\n")
    (worktree.path / "built.o").write_text("ignored\n")
    before = state_of(git, worktree.path)

    snapshot = await snapshot_of(worktree, cache)

    assert state_of(git, worktree.path) == before
    assert files_of(git, worktree, snapshot) == {".gitignore", "README", "staged", "new name"}
    assert snapshot.left_out == {}
    assert git(worktree.path, "show", f"{snapshot.commit}:README") == "changed"
    assert git(worktree.path, "rev-parse", f"{snapshot.commit}^") == git(worktree.path, "rev-parse", "HEAD")
    assert not list((worktree.path / ".git").glob("makima-*"))


def state_of(git: GitCommand, path: Path) -> tuple[str, ...]:
    index = (path / ".git" / "index").read_bytes().hex()
    return index, (path / ".git" / "HEAD").read_text(), git(path, "for-each-ref"), git(path, "stash", "list")


@pytest.mark.rule("6.7")
async def test_what_looks_like_a_secret_is_left_out_and_named(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    work = worktree.path
    (work / ".env").write_text("PASSWORD=hunter2\n")
    (work / ".env.example").write_text("PASSWORD=\n")
    (work / "deploy").mkdir()
    (work / "deploy" / "id_ed25519").write_text("anything\n")
    (work / "key.txt").write_text("-----BEGIN OPENSSH " + "PRIVATE KEY-----\nabc\n")
    (work / "staged.txt").write_text(f"token: {TOKEN}\n")
    git(work, "add", "staged.txt")
    (work / "README").write_text(f"hello\n{TOKEN}\n")
    (work / "fine").write_text("fine\n")

    snapshot = await snapshot_of(worktree, cache)

    assert files_of(git, worktree, snapshot) == {".env.example", "README", "fine"}
    assert git(work, "show", f"{snapshot.commit}:README") == "hello"
    assert set(snapshot.left_out) == {".env", "deploy/id_ed25519", "key.txt", "staged.txt", "README"}
    assert snapshot.left_out["key.txt"] == "it holds what looks like a secret"


@pytest.mark.rule("6.7")
async def test_a_secret_that_was_committed_before_does_not_keep_later_changes_out(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    (worktree.path / "example").write_text(f"{TOKEN}\n")
    await worktree.commit_all("An example", {})
    (worktree.path / "example").write_text(f"{TOKEN}\nand more\n")
    snapshot = await snapshot_of(worktree, cache)
    assert snapshot.left_out == {}
    assert git(worktree.path, "show", f"{snapshot.commit}:example").endswith("and more")


@pytest.mark.rule("6.7")
async def test_large_files_and_repositories_inside_stay_out(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    with (worktree.path / "video").open("wb") as file:
        file.truncate(LARGEST + 1)
    with (worktree.path / "picture").open("wb") as file:
        file.truncate(LARGEST)
    inside = worktree.path / "vendored"
    inside.mkdir()
    git(inside, "init", "--quiet")
    (inside / "file").write_text("x")
    snapshot = await snapshot_of(worktree, cache)
    assert files_of(git, worktree, snapshot) == {"README", "picture"}
    assert snapshot.left_out == {"video": "too large", "vendored/": "a repository of its own"}


@pytest.mark.rule("6.7")
async def test_a_name_that_git_refuses_is_told_and_a_strange_one_saved(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    for name in ("git~1", "two\nlines", "what's this", "plain"):
        (worktree.path / name).write_text("x")
    snapshot = await snapshot_of(worktree, cache)
    assert snapshot.left_out == {"git~1": "git refuses it"}
    listed = git(cache.folder, "ls-tree", "-z", "--name-only", snapshot.commit).split("\0")
    assert set(listed) - {""} == {"README", "two\nlines", "what's this", "plain"}


@pytest.mark.rule("6.7")
async def test_commits_beside_the_work_are_saved_next_to_what_is_none(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    blob = git(worktree.path, "hash-object", "-w", "--stdin", stdin="no commit\n")
    made = git(worktree.path, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Beside")
    git(worktree.path, "tag", "blob", blob)
    git(worktree.path, "branch", "beside", made)
    git(worktree.path, "tag", "-a", "-m", "Of a commit", "told", made)
    (worktree.path / ".git" / "refs" / "heads" / "gone").write_text("1" * len(made) + "\n")
    snapshot = await snapshot_of(worktree, cache)
    assert [(end.kind, end.commit, end.name) for end in snapshot.beside] == [("branch", made, "beside")]


@pytest.mark.rule("6.7")
async def test_a_snapshot_can_be_taken_in_the_middle_of_a_merge(
    worktree: Worktree, cache: RepositoryCache, commit: Committer, git: GitCommand
) -> None:
    theirs = commit({"README": "theirs\n"}, branch="theirs")
    await cache.fetch()
    (worktree.path / "README").write_text("ours\n")
    await worktree.commit_all("Ours", {})
    assert await worktree.merge([Incoming(theirs, "theirs")])
    snapshot = await snapshot_of(worktree, cache)
    assert "<<<<<<<" in git(worktree.path, "show", f"{snapshot.commit}:README")
    assert await worktree.conflicted_files() == ("README",)


@pytest.mark.rule("6.7")
async def test_the_newest_checkpoint_of_all_deliveries_counts_wherever_it_is(
    worktree: Worktree, cache: RepositoryCache, daemon_git: Git, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    here = Checkpoints(cache, str(TASK), 1)
    began = await worktree.head()
    saved = []
    for age, delivery in ((100, "first"), (50, "second")):
        (worktree.path / "file").write_text(delivery)
        snapshot = await snapshot_of(worktree, cache)
        saved.append(await here.keep(await here.content(snapshot), delivery, began, at=10**9 - age))
        assert await here.publish(saved[-1], delivery) == ""
    elsewhere = Checkpoints(await Repositories(daemon_git, tmp_path / "elsewhere").at(f"file://{origin}"), str(TASK), 1)
    assert await here.newest() == await elsewhere.newest() == saved[1]
    assert saved[1].head == saved[1].began == began
    await here.forget()
    assert await here.newest() is None
    assert checkpoint_refs(git, origin) == checkpoint_refs(git, cache.folder) == []
    await here.forget()  # nothing is left: nothing to do


@pytest.mark.rule("6.7")
async def test_what_went_on_from_a_checkpoint_is_newer_though_the_clock_went_back(
    worktree: Worktree, cache: RepositoryCache
) -> None:
    began = await worktree.head()
    before, after = Checkpoints(cache, str(TASK), 1), Checkpoints(cache, str(TASK), 1)
    (worktree.path / "file").write_text("before")
    snapshot = await snapshot_of(worktree, cache)
    ahead = await before.keep(await before.content(snapshot), "before", began, at=int(time.time()) + 7200)
    assert await after.newest() == ahead
    (worktree.path / "file").write_text("after")
    snapshot = await snapshot_of(worktree, cache)
    went_on = await after.keep(await after.content(snapshot), "after", began)
    assert await Checkpoints(cache, str(TASK), 1).newest() == went_on


@pytest.mark.rule("6.7")
async def test_nothing_that_git_refuses_comes_into_the_cache(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    began = await worktree.head()
    (worktree.path / ".gitmodules").write_text('[submodule "../a"]\n\tpath = a\n\turl = ../a\n')
    git(worktree.path, "add", "--all")
    git(worktree.path, "commit", "--quiet", "--message=refused")
    refused = await worktree.head()
    side = side_of(worktree, cache)
    for _ in range(2):
        with pytest.raises(WorktreeBroken, match="gitmodulesName"):
            await side.take(refused, [began])
        assert not await cache.has(refused)


async def _said(worktree: Worktree) -> tuple[str, bytes]:
    """A commit of all files, as the daemon makes it, and what its repository says of it."""
    made = await worktree.commit_all("Ours", {})
    assert made
    return made


@pytest.mark.rule("6.7")
async def test_a_commit_on_what_came_with_a_snapshot_is_taken_by_what_is_said_of_it(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    began, side = await worktree.head(), side_of(worktree, cache)
    (worktree.path / "file").write_text("one")
    await side.snapshot([began], UNSAVED)
    commit, content = await _said(worktree)
    git(worktree.path, "update-ref", "--no-deref", "HEAD", began)
    shutil.rmtree(worktree.path / ".git" / "objects" / commit[:2])
    await side.take(commit, [began], content)  # nothing else of it is there any more
    assert (await cache.local("cat-file", "commit", commit)).stdout == content


@pytest.mark.rule("6.7")
@pytest.mark.parametrize("lie", ["another name", "other files", "no parent", "one more parent", "nothing"])
async def test_what_is_said_of_a_commit_is_not_believed_where_it_is_not_known_whole(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand, lie: str
) -> None:
    """Neither is what git refuses: then the program brings the commit, from where it is."""
    began, side = await worktree.head(), side_of(worktree, cache)
    (worktree.path / "file").write_text("one")
    await side.snapshot([began], UNSAVED)
    if lie == "other files":
        (worktree.path / "more").write_text("more")
    commit, content = await _said(worktree)
    tree, parent, *rest = content.split(b"\n")
    if lie == "another name":
        content += b"more"
    elif lie == "nothing":
        content = b""
    elif lie != "other files":
        lines = [tree, parent.replace(b"parent ", b"author "), *rest]
        lines = [tree, parent, b"parent " + b"1" * 40, *rest] if lie == "one more parent" else lines
        content = b"\n".join(lines)
        written = git(
            worktree.path, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=content.decode()
        )
        with pytest.raises(WorktreeBroken):
            await side.take(written, [began], content)
        assert not await cache.has(written)
        return
    if lie == "other files":  # as somebody leaves them who is stopped in between: the list, and not what it lists
        git(cache.folder, "mktree", "--missing", stdin=git(worktree.path, "ls-tree", commit))
    await side.take(commit, [began], content)
    assert (await cache.local("ls-tree", "--name-only", commit)).text.split() == git(
        worktree.path, "ls-tree", "--name-only", commit
    ).split()
    await cache.local("rev-list", "--objects", "--quiet", commit)


BESIDE = """
git checkout -q -b feature; echo f > f; git add f; git commit -qm f; git checkout -q --detach HEAD~1
echo s > README; git stash -q; echo t > t; git add t; git commit -qm t; git tag done; git reset -q --hard HEAD~1
echo w > w; touch {began}; until test -e {go}; do sleep 0.05; done
"""


@pytest.mark.rule("6.7")
async def test_commits_beside_the_work_go_on_with_it_on_another_machine(
    one: OneDaemon, other: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    began = tmp_path / "began"
    cancelled = asyncio.create_task(step(one, BESIDE.format(began=began, go=tmp_path / "go")))
    await until(began.exists)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    outcome = await step(
        other, "git add w; git commit -qm w; git merge -q --no-edit feature; git merge -q done; git stash pop"
    )
    assert outcome.status is OutcomeStatus.COMPLETED, outcome.failure or outcome.questions
    assert {"f", "t", "w"} <= set(git(origin, "ls-tree", "--name-only", "makima/x").splitlines())
    assert git(origin, "show", "makima/x:README") == "s"
    assert checkpoint_refs(git, origin) == []


RESUMED = """
test -e first || { echo one > first; git add first; git commit -qm "Own commit"; echo two >> README; echo three > new; }
touch {began}; until test -e {go}; do sleep 0.05; done
echo done >> new
"""


@pytest.mark.rule("6.7")
async def test_another_machine_goes_on_with_the_commits_and_the_changes_of_a_delivery_that_was_cancelled(
    one: OneDaemon, other: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    began, go = tmp_path / "began", tmp_path / "go"
    script = RESUMED.replace("{began}", str(began)).replace("{go}", str(go))
    cancelled = asyncio.create_task(step(one, script))
    await until(began.exists)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    [ref] = checkpoint_refs(git, origin)
    assert ref.endswith(f"{TASK}/1/{one.delivery.name}")
    assert not list(one.tasks.glob("*/work")), "what the remote has needs no worktree"

    go.touch()
    outcome = await step(other, script)

    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert git(origin, "show", "makima/x:new") == "three\ndone"
    assert git(origin, "show", "makima/x:README") == "hello\ntwo"
    assert git(origin, "log", "--format=%s", "main..makima/x").splitlines() == ["build", "Own commit"]
    assert outcome.work
    assert (outcome.work.commits, outcome.work.files_changed) == (2, 3)
    assert checkpoint_refs(git, origin) == []


@pytest.mark.rule("6.7")
async def test_work_is_saved_while_it_goes_on_and_the_agents_secrets_are_reported(
    one: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    go = tmp_path / "go"
    staged = "mkdir -p a; echo x > a/.env; git add a; git init -q inside; head -c 11000000 /dev/zero > large"
    script = f"echo 1 > file; echo x > .env; until test -e {go}; do sleep 0.05; done; {staged}"
    running = asyncio.create_task(step(one, script))
    await until(lambda: bool(checkpoint_refs(git, origin)))
    assert git(origin, "ls-tree", "--name-only", checkpoint_refs(git, origin)[0]) == "README\nfile"
    go.touch()
    outcome = await running
    assert outcome.warnings[0] == "left out of checkpoints: .env (its name is that of a secret)"
    assert any(warning.startswith("left out of the commit: ") for warning in outcome.warnings)
    assert git(origin, "ls-tree", "-r", "--name-only", "makima/x") == "README\nfile"
    assert checkpoint_refs(git, origin) == []


@pytest.mark.rule("6.7")
async def test_what_an_agent_spoils_when_it_is_told_to_stop_was_saved_before(
    one: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    began = tmp_path / "began"
    spoils = "trap 'git checkout -q .; rm -f new; exit 1' INT TERM"
    script = f"{spoils}; echo more >> README; echo 1 > new; touch {began}; while :; do sleep 0.05; done"
    cancelled = asyncio.create_task(step(one, script, checkpoint_every=timedelta(minutes=2)))
    await until(began.exists)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    [ref] = checkpoint_refs(git, origin)
    assert (git(origin, "show", f"{ref}:README"), git(origin, "show", f"{ref}:new")) == ("hello\nmore", "1")


@pytest.mark.rule("6.7")
async def test_a_conflict_is_found_again_with_what_was_resolved_of_it(
    one: OneDaemon, other: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand, commit: Committer
) -> None:
    mine = commit({"README": "mine\n", "b": "mine\n"}, branch="mine")
    theirs = commit({"README": "theirs\n", "b": "theirs\n"}, branch="theirs")
    began, go = tmp_path / "began", tmp_path / "go"
    script = (
        f"test -e half || echo both > README; touch half {began}; until test -e {go}; do sleep 0.05; done;"
        "grep -q '<<<<' b; echo both > b; git add README b half; git commit -qm Merged"
    )
    on = [
        ContinueFrom(task=uuid4(), name=name, branch=name, commit=head) for name, head in (("a", mine), ("b", theirs))
    ]
    cancelled = asyncio.create_task(step(one, script, continue_from=on[0], merge=(on[1],)))
    await until(began.exists)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    go.touch()
    outcome = await step(other, script, continue_from=on[0], merge=(on[1],))
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert git(origin, "show", "makima/x:README") == git(origin, "show", "makima/x:b") == "both"
    assert set(git(origin, "log", "-1", "--format=%P", "makima/x").split()) == {mine, theirs}


@pytest.mark.rule("5.5")
async def test_a_new_attempt_starts_from_the_base_and_is_told_where_the_earlier_ones_work_is(
    one: OneDaemon, other: OneDaemon, origin: Path, git: GitCommand
) -> None:
    limits = Limits(time=timedelta(seconds=1))
    first = await step(one, "echo half > half; sleep 60", limits=limits)
    assert first.failure
    assert first.failure.category is FailureCategory.TIME_LIMIT
    assert first.work
    second = await step(
        other, f'cat > "$HOME/prompt"; test ! -e half; git show {first.work.head}:half > whole', attempt=2
    )
    assert second.status is OutcomeStatus.COMPLETED, second
    assert git(origin, "show", "makima/x:whole") == "half"
    [prompt] = other.tasks.glob("*-2-*/task/home/prompt")
    assert f"git diff {first.work.base} {first.work.head}" in prompt.read_text()


@pytest.mark.rule("6.8")
async def test_a_delivery_that_is_no_longer_the_attempts_own_saves_and_pushes_no_branch(
    one: OneDaemon, origin: Path, git: GitCommand
) -> None:
    one.gone = True
    with pytest.raises(Exception, match="given to another"):
        await step(one, "echo 1 > file")
    assert git(origin, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/makima/outcomes") == "refs/heads/main"
    [ref] = checkpoint_refs(git, origin)
    assert git(origin, "show", f"{ref}:file") == "1"


@pytest.mark.rule("6.8")
async def test_a_delivery_that_was_given_up_cleans_up_behind_an_attempt_that_has_ended(
    one: OneDaemon, other: OneDaemon, tmp_path: Path, origin: Path, git: GitCommand
) -> None:
    began = tmp_path / "began"
    late = asyncio.create_task(step(one, f"echo 1 > file; touch {began}; exec sleep 60"))
    await until(began.exists)
    assert (await step(other, "echo 2 > file")).status is OutcomeStatus.COMPLETED
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert checkpoint_refs(git, origin) == []
    assert git(origin, "show", "makima/x:file") == "2"
