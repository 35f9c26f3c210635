"""What the daemon reads and writes of its repositories without git: it must be what git would have said and made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.git import empty_repository, own_refs
from daemon.git.commits import attribute, changes, holds, measured
from daemon.git.git import Git
from daemon.git.objects import GitObject, Kind, packed
from daemon.git.repository_cache import RepositoryCache
from domain.repository_url import parse_repository_url

GitCommand = Callable[..., str]
ASKED = (
    ("refs/heads/main",),
    ("refs/heads/topic",),
    ("refs/heads/top",),
    ("refs/heads/none", "refs/tags/"),
    ("refs/heads/", "refs/heads/main"),
    ("refs/heads",),
    ("refs/heads/t*",),
    ("refs/heads/../tags",),
)


@pytest.fixture
def bare(tmp_path: Path, git: GitCommand) -> Path:
    """With refs in files, in packed-refs, and in both."""
    folder = tmp_path / "own.git"
    git(tmp_path, "init", "--quiet", "--bare", str(folder))
    tree = git(folder, "hash-object", "-t", "tree", "-w", "/dev/null")
    commits = [git(folder, "commit-tree", tree, "-m", f"Number {number}") for number in range(3)]
    for ref in ("heads/main", "heads/topic/below", "heads/topic-2", "tags/v1", "heads/other/inner"):
        git(folder, "update-ref", f"refs/{ref}", commits[0])
    git(folder, "pack-refs", "--all")
    git(folder, "update-ref", "refs/heads/main", commits[1])
    git(folder, "update-ref", "refs/heads/new", commits[2])
    git(folder, "update-ref", "-d", "refs/heads/other/inner")
    (folder / "refs" / "heads" / "held.lock").touch()
    return folder


def cache_at(folder: Path, daemon_git: Git) -> RepositoryCache:
    return RepositoryCache(daemon_git, parse_repository_url(f"file://{folder}", allow_local=True), folder)


@pytest.mark.parametrize("names", ASKED)
async def test_refs_are_what_git_says(bare: Path, daemon_git: Git, git: GitCommand, names: tuple[str, ...]) -> None:
    listed = git(bare, "for-each-ref", "--format=%(refname) %(objectname)", *names)
    expected = dict(line.split(" ") for line in listed.splitlines())
    assert await cache_at(bare, daemon_git).refs(*names) == expected
    read = own_refs.read(bare, names)
    is_plain = not any(part in name for name in names for part in ("*", ".."))
    assert (list(read.items()) if read is not None else None) == (list(expected.items()) if is_plain else None)


@pytest.mark.parametrize("content", ["", "0" * 40 + "\n", "ref: refs/heads/main\n", "what is this\n"])
def test_a_ref_that_is_no_plain_one_is_asked_of_git(bare: Path, content: str) -> None:
    (bare / "refs" / "heads" / "new").write_text(content)
    assert own_refs.read(bare, ["refs/heads/new"]) is None
    assert own_refs.read(bare, ["refs/tags/"])


def test_refs_that_git_keeps_otherwise_or_nowhere_are_asked_of_git(bare: Path, tmp_path: Path) -> None:
    (bare / "reftable").mkdir()
    assert own_refs.read(bare, ["refs/heads/main"]) is None
    assert own_refs.read(tmp_path / "gone.git", ["refs/heads/main"]) is None


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize("is_bare", [True, False])
def test_an_empty_repository_is_as_git_makes_it(tmp_path: Path, git: GitCommand, form: str, is_bare: bool) -> None:
    bare = ("--bare",) if is_bare else ()
    kind = ("--quiet", "--template=", "--initial-branch=main", f"--object-format={form}")
    git(tmp_path, "init", *kind, *bare, str(tmp_path / "theirs"))
    theirs = tmp_path / "theirs" / ("" if is_bare else ".git")
    ours = tmp_path / "ours"
    ours.mkdir()
    empty_repository.lay_out(ours, tmp_path / "lender", is_sha256=form == "sha256", is_bare=is_bare)
    alternates = ours / "objects" / "info" / "alternates"
    assert alternates.read_text() == f"{tmp_path / 'lender' / 'objects'}\n"
    alternates.unlink()
    assert listed(ours) == listed(theirs)
    settings = [git(tmp_path, "config", "--file", str(each / "config"), "--list") for each in (ours, theirs)]
    assert sorted(settings[0].splitlines()) == sorted(settings[1].splitlines())
    assert (ours / "HEAD").read_text() == (theirs / "HEAD").read_text()


def test_what_is_a_repository_stays_as_it_is_but_for_its_folders(bare: Path, git: GitCommand) -> None:
    before = git(bare, "config", "--list", "--local"), git(bare, "for-each-ref")
    git(bare, "pack-refs", "--all")
    shutil.rmtree(bare / "refs")  # as a copy has it that leaves out empty folders
    empty_repository.lay_out(bare, is_sha256=True)
    assert (git(bare, "config", "--list", "--local"), git(bare, "for-each-ref")) == before


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize("size", [0, 15, 16, 2047, 2048, 300_000])
def test_a_pack_is_read_by_git(tmp_path: Path, git: GitCommand, form: str, size: int) -> None:
    git(tmp_path, "init", "--bare", "--quiet", f"--object-format={form}", "own.git")
    made = GitObject(Kind.BLOB, bytes(number * number % 251 for number in range(size)))
    (tmp_path / "own.git" / "a.pack").write_bytes(packed([made], form))
    git(tmp_path / "own.git", "index-pack", "--strict", "a.pack")
    assert f"{made.name(form)} blob" in git(tmp_path / "own.git", "verify-pack", "-v", "a.pack")


async def test_what_has_changed_is_asked_once(bare: Path, daemon_git: Git, git: GitCommand) -> None:
    cache = cache_at(bare, daemon_git)
    names = await cache.refs("refs/heads/main", "refs/heads/new")
    old, new = names["refs/heads/main"], names["refs/heads/new"]
    assert await changes(cache, old, new) == ()
    assert not await holds(cache, new, old)
    assert await holds(cache, new, new)
    work = await measured(cache, "b", old, new, "")
    assert (work.commits, work.files_changed) == (1, 0)
    cache.folder = bare.parent / "gone.git"  # nothing can be asked there
    assert (await measured(cache, "b", old, new, "")).commits == 1


async def test_attributes_count_from_each_folder_on_the_way(tmp_path: Path, daemon_git: Git, git: GitCommand) -> None:
    work = tmp_path / "work"
    git(tmp_path, "init", "--quiet", str(work))
    (work / "a" / "b").mkdir(parents=True)
    (work / "a" / "b" / "file").write_text("1\n")
    (work / "a line\nand another").mkdir()
    (work / "a line\nand another" / "file").write_text("1\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "-m", "None")
    (work / "a" / ".gitattributes").write_text("file filter=lfs\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "-m", "Some")
    (work / "a line\nand another" / ".gitattributes").write_text("file filter=lfs\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "-m", "More")
    cache = cache_at(work / ".git", daemon_git)
    paths = ["a/b/file", "a line\nand another/file"]
    found = [await attribute(cache, git(work, "rev-parse", commit), "filter", paths) for commit in ("@~2", "@~1", "@")]
    assert found == [{}, {paths[0]: "lfs"}, dict.fromkeys(paths, "lfs")]
