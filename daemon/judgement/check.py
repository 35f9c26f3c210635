"""What a check of finished work looks at, and the one form in which what is wrong goes back to the agent.

The commits are in the daemon's own cache, where no trick of a worktree counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path

from daemon.git.agents_refs import LooseEnd
from daemon.git.repository_cache import RepositoryCache
from daemon.git.worktrees import Incoming
from daemon.session.continuing import Ask
from domain.failures import FailureCategory
from domain.prompts import fault_note

ROUNDS = 3
"""How often work with a fault goes back to its agent (rule 6.5)."""
NAMED = 5
"""Files, commits or branches that a fault names."""


Check = Callable[["Examined"], Awaitable["Fault | None"]]

Take = Callable[[str], Awaitable[None]]
"""Brings a commit from the worktree into the cache."""


async def nothing_to_take(commit: str) -> None:
    """For work that has no worktree."""


RunScript = Callable[[str], Awaitable[str]]
"""Runs a script where the agent works and as the agent; what it prints."""


async def no_script(script: str) -> str:
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
    run_script: RunScript = no_script
    known: dict[Hashable, object] = field(default_factory=dict, compare=False)
    """What was asked of these commits before, which never change; shared by the examinations of a delivery."""

    @property
    def parents(self) -> tuple[str, ...]:
        """What a line must not be in to count as added by this work."""
        return tuple(dict.fromkeys((self.began, *(one.commit for one in self.held))))


@dataclass(frozen=True)
class Fault:
    """Found after the agent's end. It goes back to the agent, up to ROUNDS times; then the attempt fails with it."""

    category: FailureCategory
    report: str
    """What is wrong, for people and for the next attempt."""
    note: str
    """What the agent is told: what is wrong, and what it has to do."""
    is_advice: bool = False
    """It is told once: the work counts all the same."""
    takes_round: bool = True
    """One of the ROUNDS."""

    def ask(self, prompt: str) -> Ask:
        """What the agent is asked for the next round; `prompt` is that of its task."""
        return Ask(f"{self.note}\nThis was your task:\n\n{prompt}", self.note)


def fault(category: FailureCategory, wrong: str, remedy: str) -> Fault:
    """One that fails the attempt where the agent doesn't mend it: what is `wrong`, and what the agent can do."""
    return Fault(category, wrong, fault_note(wrong, remedy))


def advice(category: FailureCategory, wrong: str, remedy: str) -> Fault:
    """One that the agent hears of once."""
    return Fault(category, wrong, fault_note(wrong, remedy), is_advice=True)


def named(names: list[str] | tuple[str, ...]) -> str:
    """The first few as a list in a sentence, with the number of the others."""
    more = len(names) - NAMED
    shown = ", ".join(" ".join(name.split()) for name in names[:NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
