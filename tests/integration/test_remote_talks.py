"""How often a step talks with its remote: each talk is a connection, and half a second of a step (design 8)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.git import Git
from daemon.git.repositories import Repositories
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon

GitCommand = Callable[..., str]

LOGGED = """\
#!/bin/sh
[ "$1" = -G ] && exit
for last; do :; done
echo "$last" >> {log}
exec sh -c "$last"
"""


@dataclass
class Remote:
    """The origin by ssh, as far as the daemon can tell; every connection is logged."""

    daemon: OneDaemon
    url: str
    base: str
    log: Path

    async def does(self, script: str, attempt: int = 1) -> Outcome:
        given = {"task": uuid4(), "step_name": "A step", "base_commit": self.base, "target_branch": "makima/step"}
        return await self.daemon.does(script, TaskKind.STEP, repository=self.url, attempt=attempt, **given)

    def talks(self) -> list[str]:
        """Since the last call: which program each one asked for."""
        said = self.log.read_text().splitlines()
        self.log.write_text("")
        return [re.sub(r"^git-(\S+) .*$", r"\1", line) for line in said]


@pytest.fixture
async def remote(tmp_path: Path, origin: Path) -> Remote:
    shim, log = tmp_path / "ssh", tmp_path / "log"
    shim.write_text(LOGGED.format(log=log))
    shim.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_SSH": str(shim)}
    git = Git(tmp_path / "own", environ, allow_local=False)
    await git.prepare()
    repositories = Repositories(git, tmp_path / "caches")
    url = f"ssh://git@git.invalid{origin}"
    cache = await repositories.at(url)
    found = Remote(OneDaemon(tmp_path, repositories, origin), url, await cache.prepare("main"), log)
    found.talks()
    return found


@pytest.mark.rule("6.8")
async def test_a_step_asks_once_pushes_once_and_tidies(remote: Remote, origin: Path, git: GitCommand) -> None:
    outcome = await remote.does("echo done > done")
    assert outcome.status is OutcomeStatus.COMPLETED
    assert remote.talks() == ["upload-pack", "receive-pack", "upload-pack"]
    assert git(origin, "show", "makima/step:done") == "done"
    assert len(git(origin, "for-each-ref", "refs/makima/outcomes").splitlines()) == 1


@pytest.mark.rule("6.8")
async def test_a_remote_that_changes_no_two_refs_at_once_gets_one_after_the_other(
    remote: Remote, origin: Path, git: GitCommand
) -> None:
    git(origin, "config", "receive.advertiseAtomic", "false")
    outcome = await remote.does("echo done > done")
    assert outcome.status is OutcomeStatus.COMPLETED
    assert remote.talks() == ["upload-pack", *["receive-pack"] * 3, "upload-pack"]
    assert git(origin, "show", "makima/step:done") == "done"


@pytest.mark.rule("6.8")
async def test_where_the_branch_is_refused_the_outcome_is_published_all_the_same(
    remote: Remote, origin: Path, git: GitCommand
) -> None:
    """Together they would be refused together: what was done must not be done again."""
    hook = origin / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/makima/step) echo "rule: no" >&2; exit 1 ;; esac\n')
    hook.chmod(0o755)
    outcome = await remote.does("echo done > done")
    assert outcome.failure
    assert "no" in outcome.failure.report
    assert len(git(origin, "for-each-ref", "refs/makima/outcomes").splitlines()) == 1
