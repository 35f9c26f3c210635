"""Wherever an agent has committed a secret, it is found before anything leaves the machine, and what is saved goes
without it (issue 11, 6). test_committed_secrets.py shows what comes of that.
"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from daemon.git.repository_cache import RepositoryCache
from daemon.judgement.check import Examined
from daemon.judgement.judge import added_secrets
from daemon.secrets.secret_search import Clean, without_secrets
from domain.failures import FailureCategory
from tests.attacks.hiding import COMMIT, HIDDEN, KEY, OTHER, SECRETS, TOKEN, GitCommand, holds

pytestmark = pytest.mark.rule("6.7")
Committer = Callable[..., str]


@dataclass(frozen=True)
class Done:
    """What a script of an agent has left: committed in `work`, and its files in `tree`."""

    work: Examined
    tree: str
    git: GitCommand

    async def may_leave(self) -> Clean:
        work = self.work
        return await without_secrets(work.cache, self.tree, work.head, work.began, work.allowed)

    def names(self, tree: str) -> list[str]:
        return self.git(self.work.cache.folder, "ls-tree", "-r", "--name-only", tree).splitlines()

    def hold(self, clean: Clean, *secrets: str) -> bool:
        """Whether one of the secrets is in what would leave the machine."""
        cache = self.work.cache.folder
        new = self.git(cache, "rev-list", "--objects", "--no-object-names", *clean, f"^{self.work.began}")
        return bool(new) and holds(self.git, cache, (), f"{new}\n", *secrets)


Does = Callable[[str], Awaitable[Done]]
"""The script, done in a worktree of the cache as an agent does it, with the rest of its files as they are then."""


@pytest.fixture
def does(cache: RepositoryCache, git: GitCommand, tmp_path: Path) -> Does:
    people = {f"GIT_{who}_{what}": "a@b.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", **people}

    async def run(script: str) -> Done:
        began, worktree = await cache.prepare("main"), tmp_path / "work"
        git(cache.folder, "worktree", "add", "-q", "--detach", str(worktree), began)
        shell = ("sh", "-ec", f"{{ {script}\n}} >&2; git add -Af; git rev-parse HEAD; git write-tree")
        running = await asyncio.create_subprocess_exec(*shell, cwd=worktree, env=env, stdout=PIPE)
        told, _ = await running.communicate()
        assert running.returncode == 0
        head, tree = told.decode().split()
        return Done(Examined(cache, head, began, ()), tree, git)

    return run


@pytest.mark.parametrize("how", HIDDEN)
async def test_wherever_a_secret_was_committed_it_is_found_and_what_is_saved_goes_without_it(
    does: Does, how: str
) -> None:
    done = await does(HIDDEN[how] + "echo kept > kept")
    found = await added_secrets(done.work)
    assert found and found.category is FailureCategory.SECRET
    clean = await done.may_leave()
    names = done.names(clean.tree)
    assert "kept" in names and not any(TOKEN in name for name in names)
    assert not done.hold(clean, *SECRETS)


@pytest.mark.parametrize("known", ["allowed", "in the base"])
async def test_no_number_of_false_alarms_hides_a_secret(does: Does, commit: Committer, known: str) -> None:
    values = [f"gh{'p'}_{number:036}" for number in range(1100)]
    if known == "in the base":
        commit({"fixtures": "".join(f"{value}\n" for value in values)}, branch="main")
    numbers = "seq -f '%036.0f' 0 1099"
    folder = "fakes" if known == "allowed" else "copies"
    done = await does(f"mkdir {folder}; {numbers} | sed s/^/gh{'p'}_/ > {folder}/many; echo {TOKEN} > zzz; {COMMIT}")
    found = await added_secrets(replace(done.work, allowed=("fakes/",)))
    assert found and "zzz" in found.report


@pytest.mark.parametrize(
    "script",
    [
        "git mv fixture.pem moved.pem; echo more >> moved.pem",
        "echo '# a note' >> fixture.pem",
        f"cp fixture.pem copy.pem; echo {OTHER} > fixtures; rm fixtures; true",
        "printf '%s\\n' 'const KEY = /-----BEGIN (RSA )?PRIVATE KEY-----/;' > scanner.js",
        "printf 'gh%s_token and sk-learn, AKIA\\n' p > text.md",
        "head -c 300000 /dev/urandom | base64 > noise.txt",
        "echo x > .env.example",
    ],
)
async def test_what_the_base_has_and_what_only_resembles_one_is_no_news(
    does: Does, commit: Committer, script: str
) -> None:
    commit({"fixture.pem": KEY + TOKEN + "\n"}, branch="main")
    done = await does(f"{script}; {COMMIT}")
    assert await added_secrets(done.work) is None
    assert await done.may_leave() == (done.tree, done.work.head)


async def test_another_key_in_place_of_the_one_that_was_there_is_one(does: Does, commit: Committer) -> None:
    commit({"fixture.pem": KEY}, branch="main")
    done = await does(f"sed -i s/MIIEvQ/MIIEpQ/ fixture.pem; {COMMIT}")
    assert await added_secrets(done.work)
