"""All that is examined of finished work, in one table: of steps, completions and resolved conflicts alike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from daemon.git.loose_ends import Kind, LooseEnd, loose_ends
from daemon.judgement.examined import Examined, Take
from daemon.judgement.fault import Fault
from daemon.judgement.history import lost_history
from daemon.judgement.left_commits import left_commits, save_left
from daemon.judgement.markers import conflict_markers
from daemon.judgement.omissions import lines, omissions, referred_to
from daemon.judgement.pointers import lost_lfs_files, lost_submodules
from daemon.judgement.secrets import added_secrets
from daemon.workspace.workspace import Workspace
from domain.failures import FailureCategory

Check = Callable[[Examined], Awaitable[Fault | None]]

CHECKS: tuple[Check, ...] = (
    lost_history,
    conflict_markers,
    left_commits,
    lost_submodules,
    lost_lfs_files,
    added_secrets,
)
"""In this order: the first fault goes back to the agent. Before them, and before anything is committed, comes
`unfinished`; after them the verify commands."""


class Judge:
    """Examines the work of one delivery, as often as its agent has worked on it."""

    def __init__(self, workspace: Workspace, take: Take) -> None:
        """`take` brings a commit of the worktree into the cache."""
        self._workspace = workspace
        self._take = take
        self._since = 0.0
        self._told: set[str] = set()
        """Files that the agent was told are left out."""
        self._heard: set[str] = set()
        """Commits on no branch that the agent was told of: what it then leaves there it doesn't want."""

    async def examine(self, work: Examined) -> Fault | None:
        """The first thing that is wrong with the work; None: nothing is. Raises GitError."""
        loose = await self._loose()
        work = self._with(work, tuple(end for end in loose if end.commit not in self._heard))
        for check in CHECKS:
            if found := await check(work):
                if found.is_advice and found.report in self._told:
                    continue
                self._told |= {found.report} if found.is_advice else set()
                if found.category is FailureCategory.LEFT:
                    self._heard |= {end.commit for end in loose if end.kind is Kind.DETACHED}
                return found
        return None

    def agent_starts(self) -> None:
        """What is written from now on is an agent's."""
        self._since = self._since or time.time()

    async def left_out(self, work: Examined, stays_out: Mapping[str, str]) -> tuple[tuple[str, ...], Fault | None]:
        """What the agent wrote and the work doesn't hold, as lines for people; and what the agent hears, once."""
        found = {**stays_out, **await referred_to(work, self._workspace.agents_worktree, self._since)}
        news = found.keys() - self._told
        self._told |= news
        return lines(found), omissions({path: found[path] for path in news}) if news else None

    async def save_left(self, work: Examined) -> str:
        """Keep what the agent has left beside its work; a line that says so, empty where there is nothing."""
        command = self._workspace.command
        return await save_left(self._with(work, await self._loose()), str(command.task), command.attempt)

    async def _loose(self) -> tuple[LooseEnd, ...]:
        return await loose_ends(self._workspace.agents_worktree)

    def _with(self, work: Examined, loose: tuple[LooseEnd, ...]) -> Examined:
        ask = self._workspace.agents_worktree.shell
        return replace(work, loose=loose, take=self._take, ask=ask)
