"""What a check of finished work looks at: commits in the daemon's own cache, where no trick of a worktree counts."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.git.repositories import RepositoryCache
from daemon.git.worktrees import Incoming


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

    @property
    def parents(self) -> tuple[str, ...]:
        """What a line must not be in to count as added by this work."""
        return tuple(dict.fromkeys((self.began, *(one.commit for one in self.held))))
