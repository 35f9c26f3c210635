"""Objects that the daemon packs itself: git reads them as it reads its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.git.git import Git
from daemon.git.objects import commit_of_file
from daemon.git.repository_cache import RepositoryCache
from domain.repository_url import parse_repository_url

GitCommand = Callable[..., str]


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize("size", [0, 15, 16, 2047, 2048, 300_000])
async def test_a_commit_of_one_file_is_what_git_would_have_made(
    tmp_path: Path, daemon_git: Git, git: GitCommand, form: str, size: int
) -> None:
    folder = tmp_path / "cache.git"
    folder.mkdir()
    git(folder, "init", "--bare", "--quiet", f"--object-format={form}")
    cache = RepositoryCache(daemon_git, parse_repository_url(f"file://{folder}", allow_local=True), folder)
    content = bytes(number * number % 251 for number in range(size))
    first = await commit_of_file(cache, "outcome", content, None, "An outcome")
    made = await commit_of_file(cache, "outcome", content, first, "An outcome")
    read = await cache.local("cat-file", "blob", f"{made}:outcome")
    assert read.stdout == content
    assert git(folder, "log", "-1", "--format=%P %an <%ae> %s", made) == (
        f"{first} Makima <makima@localhost> An outcome"
    )
    git(folder, "fsck", "--strict")
    git(folder, "update-ref", "refs/makima/made", made)
    assert git(folder, "fsck", "--strict", "--connectivity-only") == ""
