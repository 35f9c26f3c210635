"""What every agent is to the daemon: one small adapter that says how it is started and how it ended."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol, Self

from pydantic import Field, model_validator

from daemon.sandbox_view import folders_of
from daemon.task_folder import TaskFolder
from domain.errors import CannotServe
from domain.models import Failure, FailureCategory
from domain.value import Value

RESERVED = ("MAKIMA_", "TEMPORAL_")
"""Makima's own settings begin so: no agent sees one (SPEC 6.6)."""


@dataclass(frozen=True)
class AgentRun:
    """One start of an agent: what it is asked to do, and with what."""

    prompt: str
    folder: TaskFolder
    script: str = ""
    """The step's task plan by itself, for agents that run it as it stands."""
    model: str = ""
    """Empty: the one in the agent's settings."""
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class AgentCommand:
    """How to start a program: nothing in it is interpreted by a shell."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    """Set for it."""
    pass_env: tuple[str, ...] = ()
    """Names in the daemon's environment that it may see."""


class EndedBy(StrEnum):
    EXIT = "exit"
    TIME_LIMIT = "time limit"
    NO_OUTPUT = "no output"
    STOPPED = "stopped"
    MEMORY = "memory"


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


@dataclass(frozen=True)
class AgentResult:
    """The agent's own side of the outcome; whether it left work is judged by the daemon (SPEC 6.9)."""

    failure: Failure | None = None

    @property
    def is_completed(self) -> bool:
        return self.failure is None


class Agent(Protocol):
    """A coding agent, configured. A new one is one class in this folder and its name in `daemon.agents`."""

    follows_prompts: ClassVar[bool]
    """Whether it can be told anything in words; one that runs scripts can't resolve a conflict."""

    def check(self) -> None:
        """CannotServe, with the remedy, where this machine can't run it."""
        ...

    def parts(self) -> tuple[Path, ...]:
        """The folders and files of this machine that it is made of: a sandbox shows them, to be read."""
        ...

    def command(self, run: AgentRun) -> AgentCommand:
        """How to start it for this run; files that it needs are written into the task's folder."""
        ...

    def judge(self, end: ProcessEnd) -> AgentResult:
        """What its end means. Not asked about a run that the daemon stopped."""
        ...


def require_program(program: str, path: str | None = None) -> None:
    """CannotServe unless `program` is found on `path` (None: the daemon's own PATH)."""
    # A relative path is one in the worktree, which isn't there yet.
    if "/" in program and not Path(program).is_absolute():
        return
    if shutil.which(program, path=path) is None:
        raise CannotServe(f"{program!r} is not installed on this machine, or not on the daemon's PATH")


def parts_of(program: str, path: str | None = None) -> tuple[Path, ...]:
    """What `program` needs to start, as it is found on `path` (None: the daemon's own PATH); nothing where it isn't."""
    found = shutil.which(program, path=path)
    return tuple(folders_of(Path(found).absolute())) if found else ()


class Program(Value):
    """What agents have in common that are one program and tell success by its exit code alone."""

    env: dict[str, str] = Field(default_factory=dict)
    pass_env: tuple[str, ...] = ()
    """Variables of the daemon's own environment that this agent may see, such as an API key."""

    @model_validator(mode="after")
    def _asks_for_nothing_of_ours(self) -> Self:
        reserved = [name for name in (*self.env, *self.pass_env) if name.startswith(RESERVED)]
        if reserved:
            raise ValueError(f"{', '.join(reserved)}: no agent gets Makima's own settings")
        return self

    def judge(self, end: ProcessEnd) -> AgentResult:
        """Completed where it ended by itself with exit code 0; else its last output is the report."""
        if end.ended_by is EndedBy.TIME_LIMIT:
            return _failed(FailureCategory.TIME_LIMIT, "stopped at the time limit", end)
        if end.ended_by is EndedBy.NO_OUTPUT:
            return _failed(FailureCategory.NO_OUTPUT, "stopped because it printed nothing for too long", end)
        if end.ended_by is EndedBy.MEMORY:
            return _failed(FailureCategory.MEMORY, "stopped because it used more memory than max_task_memory_mb", end)
        if end.exit_code != 0:
            return _failed(FailureCategory.AGENT, f"exit code {end.exit_code}", end)
        return AgentResult()


def _failed(category: FailureCategory, reason: str, end: ProcessEnd) -> AgentResult:
    return AgentResult(Failure(category=category, report="\n".join(filter(None, (reason, end.tail.strip())))))
