"""All that is examined of finished work, in one table: of steps, completions and resolved conflicts alike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from daemon.git.agents_refs import Kind, LooseEnd
from daemon.git.loose_ends import loose_ends
from daemon.git.side_files import TOO_LARGE
from daemon.judgement.examined import Examined, Take
from daemon.judgement.fault import Fault
from daemon.judgement.history import lost_history
from daemon.judgement.left_commits import Kept, left_commits, save_left
from daemon.judgement.lfs import into_lfs, is_in_lfs, lost_lfs_files
from daemon.judgement.markers import conflict_markers
from daemon.judgement.omissions import hidden, lines, omissions, referred_to
from daemon.judgement.secrets import added_secrets
from daemon.judgement.submodules import lost_submodules
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
                    self._heard |= {end.commit for end in loose if end.kind in (Kind.DETACHED, Kind.NOTES)}
                return found
        return None

    def dismiss(self, ends: Iterable[LooseEnd]) -> None:
        """A person has decided about these commits."""
        self._heard |= {end.commit for end in ends}

    def agent_starts(self) -> None:
        """What is written from now on is an agent's."""
        self._since = self._since or time.time()

    async def left_out(
        self, work: Examined, stays_out: Mapping[str, str], own: Sequence[str]
    ) -> tuple[tuple[str, ...], Fault | None]:
        """What the agent wrote and the work doesn't hold, as lines for people; and what the agent hears, once. `own`:
        what the daemon itself has git ignore.
        """
        in_lfs = [path for path, why in stays_out.items() if why == TOO_LARGE and await is_in_lfs(work, path)]
        stays_out = {path: why for path, why in stays_out.items() if path not in in_lfs}
        unseen = await hidden(self._workspace.agents_worktree, self._since, own)
        found = {**stays_out, **unseen, **await referred_to(work, self._workspace.agents_worktree, self._since)}
        news = found.keys() - self._told
        self._told |= news
        return lines(found), omissions({path: found[path] for path in news}) if news else None

    async def into_lfs(self, work: Examined) -> tuple[str, Fault | None]:
        """The head of the work once everybody can get its files in Git LFS, or what is wrong with that."""
        return await into_lfs(self._with(work, ()))

    async def save_left(self, work: Examined) -> Kept:
        """Keep what the agent has left beside its work."""
        command = self._workspace.command
        return await save_left(self._with(work, await self._loose()), str(command.task), command.attempt)

    async def _loose(self) -> tuple[LooseEnd, ...]:
        return await loose_ends(self._workspace.agents_worktree)

    def _with(self, work: Examined, loose: tuple[LooseEnd, ...]) -> Examined:
        ask = self._workspace.agents_worktree.shell
        return replace(work, loose=loose, take=self._take, ask=ask, files=self._workspace.work_path)
