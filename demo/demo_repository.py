"""The demo's repository: some history to begin with, and what is checked in it at the end."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx

FIRST_COMMITS = (
    ("README.md", "# Greeter\n\nA package that greets people.\n", "Say what this is"),
    ("LICENSE", "Do what you like.\n", "Add a license"),
    (".gitignore", "__pycache__/\n", "Ignore what Python leaves behind"),
    ("README.md", "# Greeter\n\nA package that greets people by name.\n", "Say whom it greets"),
)


class GitFailed(Exception):
    """git ended with an error; the text is its stderr."""


def git(folder: Path, *args: str) -> str:
    """The output of git in `folder`, untouched by the user's own configuration."""
    identity = {f"GIT_{who}_{what}": f"demo{at}" for who in ("AUTHOR", "COMMITTER") for what, at in _IDENTITY}
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **identity}
    done = subprocess.run(["git", *args], cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GitFailed(f"git {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


_IDENTITY = (("NAME", ""), ("EMAIL", "@localhost"))


def make_origin(folder: Path) -> Path:
    """A bare repository in `folder` with a few commits on `main`."""
    origin, clone = folder / "origin.git", folder / "clone"
    origin.mkdir(parents=True)
    git(origin, "init", "--quiet", "--bare", "--initial-branch=main")
    clone.mkdir()
    git(clone, "init", "--quiet", "--initial-branch=main")
    for file, text, subject in FIRST_COMMITS:
        (clone / file).write_text(text)
        git(clone, "add", file)
        git(clone, "commit", "--quiet", "-m", subject)
    git(clone, "push", "--quiet", str(origin), "main")
    return origin


def copy_of(repository: str, folder: Path) -> Path:
    """A fresh copy of all that anybody may fetch from the repository at that address."""
    git(folder, "clone", "--quiet", "--mirror", repository, "pushed.git")
    return folder / "pushed.git"


def branch_head(origin: Path, branch: str) -> str:
    """Where `branch` is on the origin, asked for afresh; GitFailed if it isn't there."""
    return git(origin, "rev-parse", "--verify", f"refs/heads/{branch}^{{commit}}")


def missing_changes(origin: Path, branch: str, heads: dict[str, str]) -> list[str]:
    """The names of `heads` (name → commit) whose commit, or whose files as it left them, `branch` doesn't hold."""
    return [name for name, commit in heads.items() if not _holds(origin, branch, commit)]


def _holds(origin: Path, branch: str, commit: str) -> bool:
    counted = git(origin, "rev-list", "--count", f"refs/heads/{branch}..{commit}")
    return counted == "0" and bool(_change_of(origin, commit)) and _change_of(origin, commit) <= _files(origin, branch)


def _change_of(origin: Path, commit: str) -> set[str]:
    """The files that a step's commit adds or changes against its first parent."""
    return set(git(origin, "diff", "--name-only", f"{commit}^1", commit).splitlines())


def _files(origin: Path, branch: str) -> set[str]:
    return set(git(origin, "ls-tree", "-r", "--name-only", f"refs/heads/{branch}").splitlines())


OWNER, NAME = "demo", "greeter"


class ForgeFailed(Exception):
    """The forge did not do what the demo asked for; the text says what it answered."""


async def publish(forge: str, token_file: Path, source: Path) -> str:
    """Put the history of `source` into a new repository at the forge; gives its address."""
    wanted = {"owner": OWNER, "name": NAME, "description": "Greets people by name", "source": str(source)}
    token = await asyncio.to_thread(token_file.read_text)
    headers = {"Authorization": f"Bearer {token.strip()}"}
    made = await _ask("POST", f"{forge}/_control/repos", json=wanted, headers=headers)
    return str(made["clone_url"])


async def pull_request(repository: str, number: int) -> dict[str, Any]:
    """What the forge's API says of it to anybody."""
    root, _, name = repository.removesuffix(".git").rpartition(f"/{OWNER}/")
    return await _ask("GET", f"{root}/api/v3/repos/{OWNER}/{name}/pulls/{number}")


async def _ask(method: str, url: str, **given: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.request(method, url, **given)
    if not answer.is_success:
        raise ForgeFailed(f"{method} {url}: {answer.text}")
    told: dict[str, Any] = answer.json()
    return told
