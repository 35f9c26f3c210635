"""Completions of one directive on one daemon, with a forge that remembers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from domain.opening_choice import OpeningChoice
from domain.pull_request import PullRequest, PullRequestWanted
from domain.spawn_task import ContinueFrom, Outcome
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon
from tests.integration.forge_in_memory import ForgeInMemory

GitCommand = Callable[..., str]
BRANCH = "makima/directive-a-house"
NEXT = f"{BRANCH}-v2"
THIRD = f"{BRANCH}-v3"


def head(name: str, commit: str, *merges: str) -> ContinueFrom:
    """A finished step's work; `merges`: the base branch's commits that it was there to merge."""
    return ContinueFrom(task=uuid4(), name=name, branch=f"makima/step-{commit[:8]}", commit=commit, merges=merges)


class Completions:
    """What core would send, as far as the pull request goes."""

    def __init__(self, daemon: OneDaemon, origin: Path, git: GitCommand, repository: str = "") -> None:
        """`repository`: its address, if not the path `origin`."""
        self.daemon = daemon
        self.forge = ForgeInMemory(origin, git)
        """Only there where the daemon is given it."""
        self.known: PullRequest | None = None
        """As the directive's state has it."""
        self.opening: OpeningChoice | None = None
        self.pushed: list[str] = []
        self.bridges: tuple[str, ...] = ()
        self.outcome: Outcome
        self._last: dict[str, Any] = {}
        self._origin = origin
        self._repository = {"repository": repository} if repository else {}
        self._git = git

    async def does(self, script: str, steps: Sequence[ContinueFrom], **fields: Any) -> Outcome:
        """A completion of a task of its own; what it ships is known to the next one."""
        wanted = PullRequestWanted(
            title="A house",
            body="It stands.",
            known=self.known,
            branches=self._branches(),
            pushed=tuple(self.pushed),
            opening=self.opening,
        )
        given = {"task": uuid4(), "merge": tuple(steps), "pull_request": wanted, "bridges": self.bridges}
        self._last = {**given, **fields}
        return await self.delivered(script)

    async def delivered(self, script: str, **fields: Any) -> Outcome:
        """Another delivery of the last task's attempt."""
        name = {"name": "PR: A house", "base_commit": "", **self._repository}
        self.outcome = await self.daemon.does(script, TaskKind.COMPLETION, **{**name, **self._last, **fields})
        if self.outcome.shipped and self.outcome.work:
            self.pushed.append(self.outcome.work.head)
            self.known = self.outcome.shipped.pull_request
        return self.outcome

    def branches(self) -> list[str]:
        return self._git(self._origin, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()

    def files(self, branch: str) -> set[str]:
        return set(self._git(self._origin, "ls-tree", "-r", "--name-only", branch).splitlines())

    def news(self, branch: str = BRANCH) -> set[str]:
        """The files that the pull request shows."""
        return set(self._git(self._origin, "diff", "--name-only", f"main...{branch}").splitlines())

    @staticmethod
    def match(pattern: str, text: str) -> None:
        assert re.search(pattern, text), text

    def _branches(self) -> tuple[str, ...]:
        every = (BRANCH, NEXT, THIRD, f"{BRANCH}-v4")
        return every[self.known.version - 1 :] if self.known else every
