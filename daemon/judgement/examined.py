"""What a check of finished work looks at: commits in the daemon's own cache, where no trick of a worktree counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.git.agents_refs import LooseEnd
from daemon.git.repositories import RepositoryCache
from daemon.git.worktrees import Incoming

Take = Callable[[str], Awaitable[None]]
"""Brings a commit from the worktree into the cache."""


async def nothing_to_take(commit: str) -> None:
    """For work that has no worktree."""


Ask = Callable[[str], Awaitable[str]]
"""Runs a script where the agent works and as the agent; what it prints."""


async def nothing_to_ask(script: str) -> str:
    """For work that has no worktree."""
    return ""


@dataclass(frozen=True)
class Examined:
    """Finished work: `head` and all that is named here are in `cache`, where neither replacements nor grafts count."""

    cache: RepositoryCache
    head: str
    began: str
    """Where the agent began: the base with what the task depends on merged in."""
    held: tuple[Incoming, ...]
    """What must be in the work's history, and what it is called."""
    conflicted: tuple[str, ...] = ()
    """The files in which the agent was given a conflict."""
    allowed: tuple[str, ...] = ()
    """What looks like a secret and is none (`allow_secrets`)."""
    loose: tuple[LooseEnd, ...] = ()
    """Commits that the agent has left beside HEAD; the worktree has them, and the cache has not."""
    settled: str = ""
    """A commit of the base branch, which no task can have edited."""
    files: Path | None = None
    """Where the agent works."""
    take: Take = nothing_to_take
    ask: Ask = nothing_to_ask

    @property
    def parents(self) -> tuple[str, ...]:
        """What a line must not be in to count as added by this work."""
        return tuple(dict.fromkeys((self.began, *(one.commit for one in self.held))))
