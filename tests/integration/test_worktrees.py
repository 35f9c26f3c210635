"""Worktrees of tasks, and what the daemon takes from one that an agent had (rules 6.2, 6.4, 7.1)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.git.commits import touches
from daemon.git.git import Git
from daemon.git.repository_cache import RepositoryCache
from daemon.git.worktrees import Incoming, Worktree
from daemon.judgement.unfinished import unmerged
from daemon.process.run import Finished
from daemon.sandbox.environment import GitIdentity
from domain.errors import GitError, WorktreeBroken
from tests.integration.sides import committed, take

GitCommand = Callable[..., str]
Committer = Callable[..., str]
IDENTITY = GitIdentity("Agent", "agent@example.com")


@pytest_asyncio.fixture
async def worktree(tmp_path: Path, cache: RepositoryCache, daemon_git: Git) -> Worktree:
    """A worktree at the head of the origin's main."""
    return await made(tmp_path / "tree", cache, daemon_git)


async def made(path: Path, cache: RepositoryCache, git: Git, branch: str = "main") -> Worktree:
    commit = await cache.branch_commit(branch)
    assert commit
    return await Worktree.make(path, cache=cache.folder, commit=commit, runs=git.run_plainly, identity=IDENTITY)


@pytest.mark.rule("6.2")
async def test_a_worktree_is_a_repository_of_its_own_that_borrows_the_objects(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    assert (worktree.path / "README").read_text() == "hello\n"
    assert await worktree.head() == await cache.branch_commit("main")
    assert git(worktree.path, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    assert git(worktree.path, "remote") == ""
    assert git(worktree.path, "for-each-ref") == ""
    assert git(worktree.path, "count-objects") == "0 objects, 0 kilobytes"
    assert git(worktree.path, "status", "--porcelain") == ""
    assert not (worktree.path / ".git" / "hooks").exists()


@pytest.mark.rule("6.2")
async def test_two_worktrees_of_one_repository_share_neither_configuration_nor_refs(
    worktree: Worktree, tmp_path: Path, cache: RepositoryCache, daemon_git: Git, git: GitCommand
) -> None:
    other = await made(tmp_path / "other", cache, daemon_git)
    git(worktree.path, "config", "core.hooksPath", "/tmp")
    git(worktree.path, "branch", "mine")
    assert git(other.path, "branch", "--list", "mine") == ""
    assert "hookspath" not in git(other.path, "config", "--list").lower()


def holds(worktree: Worktree, commit: str) -> bool:
    """Whether HEAD holds `commit`."""
    asked = ["git", "merge-base", "--is-ancestor", commit, "HEAD"]
    return subprocess.run(asked, cwd=worktree.path, check=False).returncode == 0


@pytest.mark.rule("6.9")
async def test_what_an_agent_left_is_committed_with_subject_and_trailers(worktree: Worktree, git: GitCommand) -> None:
    base = await worktree.head()
    (worktree.path / ".gitignore").write_text("ignored\n")
    (worktree.path / "ignored").write_text("x")
    (worktree.path / "README").unlink()
    (worktree.path / "ünt\nracked").write_text("x")
    head = await committed(worktree, "# Add\nthings", {"Makima-Step": "Add things", "Makima-Task": "t\n1"})
    assert head == await worktree.head()
    assert git(worktree.path, "rev-list", f"{base}..HEAD") == head
    changed = git(worktree.path, "diff", "--name-only", "-z", base, head).split("\0")
    assert {*changed} == {"", ".gitignore", "README", "ünt\nracked"}
    assert git(worktree.path, "log", "-1", "--format=%s|%an|%ce") == "# Add things|Agent|agent@example.com"
    assert git(worktree.path, "log", "-1", "--format=%(trailers:only)") == "Makima-Step: Add things\nMakima-Task: t 1"


@pytest.mark.rule("6.9")
async def test_nothing_left_is_nothing_to_commit(worktree: Worktree) -> None:
    assert await worktree.commit_all("Nothing", {}) is None


@pytest.mark.rule("6.4")
async def test_the_commits_of_dependencies_are_merged_in_their_order(
    worktree: Worktree, cache: RepositoryCache, commit: Committer, git: GitCommand
) -> None:
    base = await worktree.head()
    commits = [commit({name: f"{name}\n"}, branch=name) for name in ("one", "two", "three")]
    await cache.fetch()
    assert await worktree.merge([Incoming(each, f"step {number}") for number, each in enumerate(commits)]) is None
    assert all(holds(worktree, each) for each in commits)
    assert git(worktree.path, "diff", "--name-only", base, "HEAD").split() == ["one", "three", "two"]
    subjects = git(worktree.path, "log", "--first-parent", "--format=%s").splitlines()
    assert subjects == ["Merge step 2", "Merge step 1", "change one", "first"]
    before = await worktree.head()
    assert await worktree.merge([Incoming(commits[0], "again")]) is None
    assert await worktree.head() == before


@pytest.mark.rule("6.4")
async def test_a_merge_stops_at_the_first_conflict_and_names_files_and_what_remains(
    worktree: Worktree, cache: RepositoryCache, commit: Committer
) -> None:
    first, second = commit({"README": "one\n", "a b": "1\n"}, branch="one"), commit({"README": "two\n"}, branch="two")
    third = commit({"c": "3\n"}, branch="three")
    await cache.fetch()
    incoming = [Incoming(first, "first"), Incoming(second, "second"), Incoming(third, "third")]
    conflict = await worktree.merge(incoming)
    assert conflict
    assert (conflict.incoming, conflict.files, conflict.remaining) == (incoming[1], ("README",), (incoming[2],))
    assert await worktree.has_conflict_markers(conflict.files[0])
    assert [holds(worktree, each) for each in (first, second, third)] == [True, False, False]

    (worktree.path / "README").write_text("one and two\n")
    assert not await worktree.has_conflict_markers(conflict.files[0])
    merged = await committed(worktree, "Resolve", {})
    assert merged
    assert holds(worktree, second)
    assert await worktree.merge(conflict.remaining) is None
    assert holds(worktree, third)


@pytest.mark.rule("6.4")
async def test_a_conflict_resolved_to_what_was_there_is_still_a_merge(
    worktree: Worktree, cache: RepositoryCache, commit: Committer
) -> None:
    ours, theirs = commit({"README": "one\n"}, branch="one"), commit({"README": "two\n"}, branch="two")
    await cache.fetch()
    assert await worktree.merge([Incoming(ours, "ours"), Incoming(theirs, "theirs")])
    (worktree.path / "README").write_text("one\n")
    assert await worktree.commit_all("Keep ours", {})
    assert holds(worktree, theirs)


@pytest.mark.rule("6.4")
async def test_a_merge_that_is_impossible_is_an_error_and_not_a_conflict(
    worktree: Worktree, cache: RepositoryCache, commit: Committer
) -> None:
    new = commit({"README": "theirs\n"}, branch="one")
    await cache.fetch()
    (worktree.path / "README").write_text("not committed\n")
    with pytest.raises(GitError, match="overwritten by merge"):
        await worktree.merge([Incoming(new, "new")])


@pytest.mark.rule("6.2")
async def test_the_result_is_taken_into_the_cache_by_its_commit(
    worktree: Worktree, cache: RepositoryCache, git: GitCommand
) -> None:
    git(worktree.path, "switch", "--quiet", "--create", "of-the-agent")
    (worktree.path / "new").write_text("new\n")
    head = await committed(worktree, "New", {})
    assert head
    await take(worktree, cache, head)
    await worktree.remove()
    assert not worktree.path.exists()
    assert git(cache.folder, "show", f"{head}:new") == "new"
    assert git(cache.folder, "for-each-ref", "--format=%(refname)") == "refs/remotes/origin/main"


@pytest.mark.rule("6.2")
async def test_taking_from_a_hostile_worktree_runs_nothing_of_it(
    worktree: Worktree, cache: RepositoryCache, tmp_path: Path, git: GitCommand
) -> None:
    (worktree.path / "new").write_text("new\n")
    head = await committed(worktree, "New", {})
    assert head
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f'#!/bin/sh\necho "$0" >> {sprung}\nexec "$@"\n')
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.gitProxy", "core.pager", "core.alternateRefsCommand"):
        git(worktree.path, "config", key, str(trap))
    git(worktree.path, "config", "uploadpack.packObjectsHook", str(trap))
    git(worktree.path, "config", "credential.helper", f"!{trap}")
    git(worktree.path, "config", "remote.origin.url", f"ext::{trap}")
    git(worktree.path, "config", "remote.origin.promisor", "true")
    git(worktree.path, "config", "extensions.partialClone", "origin")
    git(worktree.path, "config", "protocol.allow", "always")
    hooks = worktree.path / ".git" / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-checkout", "post-index-change", "pre-auto-gc", "pre-push", "update"):
        shutil.copy(trap, hooks / name)
    await take(worktree, cache, head)
    assert git(cache.folder, "cat-file", "-t", head) == "commit"
    assert not sprung.exists()

    (worktree.path / "more").write_text("more\n")
    incomplete = await committed(worktree, "More", {})
    assert incomplete
    blob = git(worktree.path, "rev-parse", f"{incomplete}:more")
    (worktree.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(WorktreeBroken):  # a promised object that is missing must not be asked for there
        await take(worktree, cache, incomplete)
    assert not sprung.exists()
    git(worktree.path, "status")
    assert sprung.exists(), "the trap works"


@pytest.mark.rule("6.2")
@pytest.mark.parametrize("trick", ["alternate", "gitfile", "linked objects", "linked folder", "commondir", "shallow"])
async def test_objects_of_another_repository_cannot_be_smuggled_out(
    worktree: Worktree, cache: RepositoryCache, tmp_path: Path, git: GitCommand, trick: str
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    git(private, "init", "--quiet")
    (private / "secret").write_text("secret\n")
    git(private, "add", "secret")
    git(private, "commit", "--quiet", "-m", "secret")
    secret, ours = git(private, "rev-parse", "HEAD"), worktree.path / ".git"
    match trick:
        case "alternate":
            with (ours / "objects" / "info" / "alternates").open("a") as alternates:
                alternates.write(f"{private}/.git/objects\n")
        case "gitfile":
            shutil.rmtree(ours)
            ours.write_text(f"gitdir: {private}/.git\n")
        case "linked objects":
            shutil.rmtree(ours / "objects")
            (ours / "objects").symlink_to(private / ".git" / "objects")
        case "linked folder":
            for folder in (private / ".git" / "objects").iterdir():
                if not (ours / "objects" / folder.name).exists():
                    (ours / "objects" / folder.name).symlink_to(folder)
        case "commondir":
            (ours / "commondir").write_text(f"{private}/.git\n")
        case "shallow":
            (ours / "shallow").write_text(f"{secret}\n")
    with pytest.raises(WorktreeBroken):
        await take(worktree, cache, secret)
    assert git(cache.folder, "for-each-ref", "--format=%(refname)") == "refs/remotes/origin/main"
    assert not git(cache.folder, "cat-file", "--batch-check", stdin=f"{secret}\n").endswith("commit")


@pytest.mark.rule("6.2")
async def test_after_the_agent_only_the_runner_that_was_handed_in_runs_git(worktree: Worktree, daemon_git: Git) -> None:
    seen: list[str] = []

    async def sandboxed(
        argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b"", timeout: float
    ) -> Finished:
        seen.append(argv[3])
        return await daemon_git.run_plainly(argv, cwd=cwd, env=env, stdin=stdin, timeout=timeout)

    (worktree.path / "new").write_text("new\n")
    base = await worktree.head()
    untrusted = replace(worktree, runs=sandboxed)
    head = await committed(untrusted, "New", {})
    assert head
    await untrusted.bring_back(base, frozenset())
    await untrusted.has_conflict_markers("new")
    await unmerged(untrusted)
    assert {"commit", "reset", "ls-files", "--literal-pathspecs"} <= set(seen)


@pytest.mark.rule("6.2")
async def test_without_its_git_folder_a_worktree_is_not_taken_for_a_repository_further_up(
    worktree: Worktree, tmp_path: Path, git: GitCommand
) -> None:
    git(tmp_path, "init", "--quiet")
    shutil.rmtree(worktree.path / ".git")
    with pytest.raises(GitError, match="not a git repository"):
        await worktree.commit_all("Lost", {})


@pytest.mark.rule("6.2")
@pytest.mark.parametrize("name", ["HEAD", "--output=/tmp/x", "main", "0" * 39, ""])
async def test_a_commit_is_only_ever_named_in_full(worktree: Worktree, cache: RepositoryCache, name: str) -> None:
    with pytest.raises(GitError, match="full name"):
        await worktree.merge([Incoming(name, "x")])
    with pytest.raises(GitError, match="full name"):
        await take(worktree, cache, name)


@pytest.mark.rule("6.12")
async def test_removing_a_worktree_takes_its_read_only_folders_along_and_can_be_repeated(worktree: Worktree) -> None:
    folder = worktree.path / "node_modules" / "x"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    (folder / "link").symlink_to(worktree.path.parent)
    folder.chmod(0o555)
    folder.parent.chmod(0o555)
    await worktree.remove()
    await worktree.remove()
    assert not worktree.path.exists()
    assert worktree.path.parent.exists()


async def test_names_that_are_more_than_the_kernel_takes_are_given_to_git_in_parts(
    worktree: Worktree, cache: RepositoryCache
) -> None:
    """Tests of a repository may leave ten thousand files with long names at its top."""
    head = await worktree.head()
    names = [f"{number:05}{'d' * 235}" for number in range(10_000)]
    for name in names:
        (worktree.path / name).touch()
    assert await worktree.tracked([*names, "README"]) == {"README"}
    assert await worktree.both_sides(head, names) == ((), ())
    assert not await touches(cache, head, head, names)
    await worktree.bring_back(head, frozenset())
    assert await worktree.untracked() == frozenset()
