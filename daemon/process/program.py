"""A program to start, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True)
class AgentCommand:
    """How to start a program: nothing in it is interpreted by a shell."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    """Set for it."""
    pass_env: tuple[str, ...] = ()
    """Names in the daemon's environment that it may see."""
    writes: tuple[Path, ...] = ()
    """Folders of this machine that it changes beside its task's: a sandbox lets it."""
    talks: bool = False
    """Its stdin stays open behind `stdin`, for the answers to what it asks."""


class EndedBy(StrEnum):
    EXIT = "exit"
    TIME_LIMIT = "time limit"
    NO_OUTPUT = "no output"
    STOPPED = "stopped"
    MEMORY = "memory"
    LINGERED = "lingered"
    """It had said that it was done, and did not end."""


@dataclass(frozen=True)
class ProcessEnd:
    """How a process and its whole tree ended."""

    exit_code: int
    """128 + n where signal n ended it."""
    ended_by: EndedBy
    tail: str
    """The last 4,096 characters of its output."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.ended_by is EndedBy.EXIT and self.exit_code == 0
