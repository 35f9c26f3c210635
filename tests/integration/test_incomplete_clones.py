"""Clones without all of their history or files, as `--repo`: refused by their name, with what to do (rule 6.1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.git.repositories import Repositories
from domain.errors import RepositoryError

pytestmark = pytest.mark.rule("6.1")

GitCommand = Callable[..., str]
SHALLOW = "is a shallow clone: run `git -C {} fetch --unshallow`, or give the address of its own remote"
PARTIAL = (
    "is a partial clone, without all of its files: give the address of its own remote, or the path of a full clone"
)


@pytest.fixture
def whole(origin: Path, git: GitCommand, commit: Callable[..., str]) -> Path:
    """With a history that can be cut, at a remote that serves parts of it."""
    commit({"a": "1\n"}, branch="main")
    git(origin, "config", "uploadpack.allowFilter", "true")
    return origin


def clone(git: GitCommand, whole: Path, place: Path, *options: str) -> Path:
    git(whole.parent, "clone", "--quiet", *options, f"file://{whole}", str(place))
    return place


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--depth=1",), SHALLOW),
        (("--depth=1", "--bare"), SHALLOW),
        (("--shallow-since=2001-01-01",), None),
        (("--filter=blob:none", "--no-checkout"), PARTIAL),
        (("--filter=blob:none",), PARTIAL),
        (("--filter=tree:0", "--bare"), PARTIAL),
        (("--filter=blob:limit=1", "--depth=1"), SHALLOW),
    ],
)
async def test_a_clone_that_lacks_something_is_refused_by_its_name(
    repositories: Repositories, whole: Path, git: GitCommand, tmp_path: Path, options: tuple[str, ...], said: str | None
) -> None:
    place = clone(git, whole, tmp_path / "part", *options)
    cache = await repositories.at(str(place))
    if said is None:
        assert await cache.prepare("main") == git(whole, "rev-parse", "main")
        return
    with pytest.raises(RepositoryError) as refused:
        await cache.prepare("main")
    assert str(refused.value) == f"{place} {said.format(place)}"


async def test_a_shallow_clone_is_taken_once_it_has_done_what_its_refusal_says(
    repositories: Repositories, whole: Path, git: GitCommand, tmp_path: Path
) -> None:
    place = clone(git, whole, tmp_path / "part", "--depth=1")
    cache = await repositories.at(str(place))
    with pytest.raises(RepositoryError, match="shallow clone"):
        await cache.prepare("main")
    git(place, "fetch", "--quiet", "--unshallow")
    assert await cache.prepare("main") == git(whole, "rev-parse", "main")


@pytest.mark.parametrize(
    "way", ["a worktree of it", "without marks", "in one line", "objects borrowed from it", "borrowed from nowhere"]
)
async def test_what_a_clone_lacks_is_seen_from_wherever_it_is_used(
    repositories: Repositories, whole: Path, git: GitCommand, tmp_path: Path, way: str
) -> None:
    part, place, said = tmp_path / "part", tmp_path / "place", PARTIAL
    if way == "a worktree of it":
        clone(git, whole, part, "--depth=1")
        git(part, "worktree", "add", "--quiet", "--detach", str(place))
        said = SHALLOW
    elif way == "without marks":
        place = clone(git, whole, part, "--filter=blob:none", "--no-checkout")
        for mark in (part / ".git" / "objects" / "pack").glob("*.promisor"):
            mark.unlink()
    elif way == "in one line":
        git(tmp_path, "clone", "--quiet", "--bare", str(whole), str(place))
        with (place / "config").open("a") as config:
            config.write('[remote "o"] promisor\n')
    else:
        clone(git, whole, part, "--filter=blob:none", "--no-checkout")
        git(tmp_path, "init", "--quiet", str(place))
        lender = part if way == "objects borrowed from it" else tmp_path / "gone"
        (place / ".git" / "objects" / "info" / "alternates").write_text(f"{lender}/.git/objects\n")
        if way == "borrowed from nowhere":
            said = f"borrows objects from {lender}/.git/objects, which is not there: give the address of its own remote"
    with pytest.raises(RepositoryError) as refused:
        await (await repositories.at(str(place))).prepare("main")
    assert said.format(place) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"# v2 git bundle\n\0\xff", b"", b"PK\x03\x04", b"gitdir: /nowhere\n"])
async def test_a_file_is_no_repository(repositories: Repositories, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shop.bundle").write_bytes(content + b"\0" * 100_000)
    with pytest.raises(RepositoryError, match="does not appear to be a git repository"):
        await (await repositories.at(str(tmp_path / "shop.bundle"))).prepare("main")
