"""The fake forge's git side: real git clones and pushes over http."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.forge import ForgeRepository, ForgeUnderTest, Person, forge_under_test


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ForgeUnderTest]:
    async with forge_under_test(tmp_path_factory.mktemp("forge")) as forge:
        yield forge


@pytest_asyncio.fixture
async def repository(forge: ForgeUnderTest, request: pytest.FixtureRequest) -> ForgeRepository:
    """An empty repository of this test's own."""
    return await forge.make_repository("acme", f"r{abs(hash(request.node.name))}")


@pytest_asyncio.fixture
async def ann(forge: ForgeUnderTest, repository: ForgeRepository, tmp_path: Path) -> Person:
    return Person(tmp_path / "ann", forge.url_with(repository.full_name))


async def test_what_was_pushed_is_cloned_whatever_the_ref(repository: ForgeRepository, ann: Person) -> None:
    sha = await ann.commit("main", {"README": "hello\n"})
    await ann.git("push", "origin", "HEAD:refs/makima/outcomes/1/1")
    await ann.git("clone", "--quiet", repository.clone_url, "copy")
    assert (ann.folder / "copy" / "README").read_text() == "hello\n"
    refs = await ann.git("ls-remote", repository.clone_url)
    assert refs.splitlines()[1:] == [f"{sha}\trefs/heads/main", f"{sha}\trefs/makima/outcomes/1/1"]


async def test_a_lease_and_a_ref_that_must_be_new_are_kept(ann: Person) -> None:
    first = await ann.commit("main", {"README": "1\n"})
    second = await ann.commit("main", {"README": "2\n"})
    stale = f"--force-with-lease=refs/heads/main:{first}"
    code, _, errors = await ann.try_git("push", stale, "origin", f"{first}:refs/heads/main")
    assert code == 1
    assert "stale info" in errors
    only_once = ("push", "--force-with-lease=refs/makima/x:", "origin", f"{second}:refs/makima/x")
    await ann.git(*only_once)
    code, _, _ = await ann.try_git("push", "--force-with-lease=refs/makima/x:", "origin", f"{first}:refs/makima/x")
    assert code == 1


async def test_branches_are_where_git_has_put_them(
    forge: ForgeUnderTest, repository: ForgeRepository, ann: Person
) -> None:
    path = f"{forge.url}/api/v4/projects/{quote(repository.full_name, safe='')}/repository/branches"

    async def told() -> dict[str, str]:
        async with forge.rest() as client:
            return {each["name"]: each["commit"]["id"] for each in (await client.get(path)).json()}

    first = await ann.commit("main", {"README": "1\n"})
    await ann.git("push", "--quiet", "origin", "HEAD:refs/heads/release/1", "HEAD:refs/heads/gone")
    await ann.git(f"--git-dir={repository.path}", "pack-refs", "--all")
    assert await told() == dict.fromkeys(("gone", "main", "release/1"), first)
    second = await ann.commit("main", {"README": "2\n"})
    await ann.git("push", "--quiet", "origin", ":refs/heads/gone")
    assert await told() == {"main": second, "release/1": first}


async def test_the_forges_own_refs_are_pushed_by_nobody(repository: ForgeRepository, ann: Person) -> None:
    await ann.commit("main", {"README": "1\n"})
    code, _, errors = await ann.try_git("push", "origin", "HEAD:refs/pull/1/head")
    assert code == 1
    assert "deny updating a hidden ref" in errors


async def test_a_large_push_is_streamed_and_a_long_fetch_is_unpacked(
    forge: ForgeUnderTest, repository: ForgeRepository, ann: Person
) -> None:
    await ann.commit("main", {"first": "1\n"})
    for number in range(40):
        await ann.git("commit", "--quiet", "--allow-empty", "--message", f"commit {number}")
    branches = [f"HEAD~{number}:refs/heads/branch-{number}" for number in range(40)]
    await ann.git("push", "--quiet", "origin", *branches)  # so many make a later request one that git packs
    noise = os.urandom(3 * 1024 * 1024).hex()
    await ann.commit("main", {"noise": noise})  # longer than git's buffer of 1 MiB: chunks of unknown length
    await ann.git("clone", "--quiet", "--mirror", repository.clone_url, "copy.git")
    assert await ann.git("--git-dir=copy.git", "cat-file", "-s", "main:noise") == str(len(noise))
    assert (await ann.git("--git-dir=copy.git", "for-each-ref", "refs/heads")).count("branch-") == 40


async def test_who_may_not_push_is_told_so(forge: ForgeUnderTest, repository: ForgeRepository, ann: Person) -> None:
    await ann.commit("main", {"README": "1\n"})
    await forge.add_token("ghp_reader", "reader", write=False)
    for url, reason in (
        (repository.clone_url, "could not read Username"),
        (forge.url_with(repository.full_name, "wrong"), "Authentication failed"),
        (forge.url_with(repository.full_name, "ghp_reader"), "403"),
    ):
        code, _, errors = await ann.try_git("push", url, "HEAD:refs/heads/mine")
        assert code == 128
        assert reason in errors
    await forge.remove_token("ghp_reader")
    code, _, errors = await ann.try_git("push", forge.url_with(repository.full_name, "ghp_reader"), "HEAD:x")
    assert "Authentication failed" in errors


async def test_a_private_repository_is_hidden_without_a_token(forge: ForgeUnderTest, tmp_path: Path) -> None:
    hidden = await forge.make_repository("acme", "hidden", private=True)
    ann = Person(tmp_path / "ann", forge.url_with("acme/hidden"))
    await ann.commit("main", {"README": "1\n"})
    code, _, errors = await ann.try_git("ls-remote", hidden.clone_url)
    assert code == 128
    assert "could not read Username" in errors
    async with forge.rest(token="") as nobody:
        assert (await nobody.get("/repos/acme/hidden")).status_code == 404
        assert (await nobody.get(f"{forge.url}/acme/hidden")).status_code == 404
    async with forge.rest() as makima:
        assert (await makima.get("/repos/acme/hidden")).json()["private"] is True


async def test_a_repository_begins_with_what_another_holds(forge: ForgeUnderTest, origin: Path) -> None:
    copied = await forge.make_repository("acme", "copied", source=origin)
    async with forge.rest() as client:
        branch = (await client.get("/repos/acme/copied/branches/main")).json()
    assert len(branch["commit"]["sha"]) == 40
    assert copied.path.is_dir()
    with pytest.raises(AssertionError, match="exists already"):
        await forge.make_repository("Acme", "COPIED")
    with pytest.raises(AssertionError, match="would clash"):
        await forge.make_repository("repos", "shop")


async def test_a_rule_of_a_branch_refuses_the_whole_push_and_no_other(
    forge: ForgeUnderTest, repository: ForgeRepository, ann: Person
) -> None:
    await ann.commit("main", {"README": "1\n"})
    rules = [{"branches": "release/*", "kind": "github_protection", "text": "Commits must have verified signatures."}]
    await forge.change_repository(repository.full_name, push_rules=rules)
    code, _, errors = await ann.try_git("push", "origin", "HEAD:refs/heads/release/1", "HEAD:refs/heads/mine")
    assert code == 1
    assert "remote: error: GH006: Protected branch update failed for refs/heads/release/1." in errors
    assert "HEAD -> release/1 (protected branch hook declined)" in errors and "HEAD -> mine (protected" in errors
    assert "release/1" not in await ann.git("ls-remote", repository.clone_url)
    big = await ann.commit("big", {str(each): f"{each}\n" * 2000 for each in range(60)}, onto="main")
    await ann.git("push", "origin", f"{big}:refs/heads/mine", "HEAD:refs/tags/one")
    await forge.change_repository(repository.full_name, push_rules=[])
    await ann.git("push", "origin", f"{big}:refs/heads/release/1")
