"""Real git repositories for the tests of the daemon's git layer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.git.git import Git
from daemon.git.local import LocalRepositories
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from tests.git_objects import put_commit
from tests.integration.completions import Completions
from tests.integration.deliveries import OneDaemon, Steps
from tests.needs import need

GitCommand = Callable[..., str]
"""`git(folder, *args)`: the output of git run in `folder`, as a person would run it."""
Committer = Callable[..., str]
"""`commit({path: text}, *parents, branch=None)`: a new commit in the origin on top of its parents."""


@pytest.fixture
def gh() -> str:
    """GitHub's command line."""
    return need("gh", "gh")


@pytest.fixture
def git(tmp_path: Path) -> GitCommand:
    identity = {
        f"GIT_{who}_{what}": "person@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", **identity}

    def run_git(folder: Path, *args: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["git", *args], cwd=folder, env=env, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{args}: {done.stderr}"
        return done.stdout.strip()

    return run_git


@pytest.fixture(scope="session")
def first_origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each test's `origin` is a copy of."""
    folder = tmp_path_factory.mktemp("origin")
    # Without git's samples of hooks, which each copy would have.
    plain = ("--bare", "--quiet", "--initial-branch=main", "--template=")
    subprocess.run(["git", "init", *plain, str(folder)], check=True)
    (folder / "hooks").mkdir()
    put_commit(folder, {"README": "hello\n"}, branch="main", message="first")
    return folder


@pytest.fixture
def origin(tmp_path: Path, first_origin: Path) -> Path:
    """A bare repository whose branch `main` holds one commit with the file `README`."""
    return shutil.copytree(first_origin, tmp_path / "origin.git")


@pytest.fixture
def commit(origin: Path) -> Committer:
    def make(files: dict[str, str], parent: str = "main", branch: str = "") -> str:
        return put_commit(origin, files, parent, branch=branch)

    return make


@pytest_asyncio.fixture
async def daemon_git(tmp_path: Path) -> Git:
    """The daemon's own git on a machine whose owner has configured nothing."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    # Hooks of the origin play the rules of a remote here.
    own = Git(tmp_path / "daemon", environ, allow_local=True, local=LocalRepositories(hooks=True))
    await own.prepare()
    return own


@pytest.fixture
def repositories(tmp_path: Path, daemon_git: Git) -> Repositories:
    return Repositories(daemon_git, tmp_path / "daemon" / "caches")


@pytest_asyncio.fixture
async def cache(repositories: Repositories, origin: Path) -> RepositoryCache:
    """The origin's cache, fetched once."""
    opened = await repositories.at(f"file://{origin}")
    await opened.fetch()
    return opened


@pytest.fixture
def completions(tmp_path: Path, repositories: Repositories, origin: Path, git: GitCommand) -> Completions:
    made = Completions(OneDaemon(tmp_path, repositories, origin), origin, git)
    made.daemon.more["forges"] = made.forge
    return made


@pytest.fixture
def steps(tmp_path: Path, repositories: Repositories, origin: Path, git: GitCommand, commit: Committer) -> Steps:
    """The origin's `main` has f.txt with three lines."""
    commit({"f.txt": "1\n2\n3\n"}, branch="main")
    return Steps(OneDaemon(tmp_path, repositories, origin), origin, git)
