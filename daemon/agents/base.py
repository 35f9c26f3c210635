"""What every agent is to the daemon: one small adapter that says how it is started, read, and how it ended."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol, Self

from pydantic import Field, model_validator

from daemon.agents.file_tail import FileTail
from daemon.agents.stream_events import (
    Ending,
    Event,
    Final,
    PassiveStream,
    PermissionReply,
    PermissionRequest,
    Printed,
    Stream,
    Totals,
)
from daemon.network.rules import LocalRules, Reach
from daemon.process.program import AgentCommand, EndedBy, ProcessEnd
from daemon.sandbox.environment import RESERVED
from daemon.sandbox.sandbox_view import folders_of, program_at
from daemon.sandbox.task_folder import TaskFolder
from domain.directive_settings import Limits
from domain.errors import AgentUnavailable
from domain.failures import Failure, FailureCategory
from domain.value import Value

MODEL_VARIABLES = (
    *("ANTHROPIC_BASE_URL", "ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_VERTEX_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
    *("OLLAMA_API_BASE", "OLLAMA_HOST", "OPENAI_API_BASE", "OPENAI_BASE_URL"),
)
"""By these a program is told where its model's server is."""


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
    state: Path = Path()
    """A folder for its own files, the same for all deliveries of an attempt on this machine."""
    login: Path = Path()
    """The folder in which its login lies, where it has one."""
    session: str = ""
    """The session to go on with; empty: a new one."""
    before: Totals = field(default_factory=Totals)
    """What that session has used, by its own count."""
    unsettled_usd: float = 0
    """Estimated of its runs since then: the session's count has them or not, by how they were killed."""
    turns: int = 0
    """How many it may take; 0: no limit."""
    cost_usd: float = 0
    """What it may cost; 0: no limit."""
    boxed: bool = False
    """It runs in a sandbox, so it may do what it likes there."""
    commands: tuple[str, ...] = ()
    """Of setup and verify: it may run these, too."""
    worktree: Path = Path()
    """Where it works."""


@dataclass(frozen=True)
class StreamSummary:
    """What was read from an agent's stream, from its beginning to its end."""

    session: str = ""
    totals: Totals = field(default_factory=Totals)
    """Of this run."""
    session_totals: Totals | None = None
    """Of the session, over all its runs; None: it has told nothing."""
    settled: Totals = field(default_factory=Totals)
    """What `totals` was when that was told."""
    turns: int = 0
    """Of this run; before its end the tools that were called."""
    final: Final | None = None
    """Of the latest turn; None: that is not over."""
    in_background: int = 0
    denied: tuple[str, ...] = ()
    until: datetime | None = None
    """When the account's limit ends, where it was reached."""
    is_counted: bool = False
    """It has told what it uses."""
    has_worked: bool = False
    """It has said something, or called a tool: its model has answered."""
    complaints: str = ""
    """The end of its stderr."""
    asks: bool = False
    """It was interrupted for an answer that nobody has given yet."""


@dataclass(frozen=True)
class AgentResult:
    """The agent's own side of the outcome; whether it left work is judged by the daemon (rule 6.9)."""

    ending: Ending = Ending.COMPLETED
    failure: Failure | None = None
    """What it is where nothing better follows from `ending`."""
    until: datetime | None = None
    """Ending.LIMIT: when it ends; None: nobody knows."""

    @property
    def is_completed(self) -> bool:
        return self.failure is None


class Agent(Protocol):
    """A coding agent, configured. A new one is one class in this folder and its name in `daemon.agents`."""

    follows_prompts: ClassVar[bool]
    """Whether it can be told anything in words; one that runs scripts can't resolve a conflict."""

    def check(self) -> None:
        """AgentUnavailable, with the remedy, where this machine can't run it."""
        ...

    def parts(self) -> tuple[Path, ...]:
        """The folders and files of this machine that it is made of: a sandbox shows them, to be read."""
        ...

    def command(self, run: AgentRun) -> AgentCommand:
        """How to start it for this run; files that it needs are written into the task's folder or its own state."""
        ...

    def stream(self, run: AgentRun) -> Stream:
        """What reads this run's output."""
        ...

    def judge(self, end: ProcessEnd, seen: StreamSummary) -> AgentResult:
        """What its end means. Not asked about a run that the daemon stopped."""
        ...


def require_program(program: str, path: str | None = None) -> None:
    """AgentUnavailable unless `program` is found on `path` (None: the daemon's own PATH)."""
    # A relative path is one in the worktree, which isn't there yet.
    if "/" in program and not Path(program).is_absolute():
        return
    if shutil.which(program, path=path) is None:
        raise AgentUnavailable(f"{program!r} is not installed on this machine, or not on the daemon's PATH")


def parts_of(program: str, path: str | None = None) -> tuple[Path, ...]:
    """What `program` needs to start, as it is found on `path` (None: the daemon's own PATH); nothing where it isn't."""
    found = program_at(program, path)
    return tuple(folders_of(found)) if found else ()


class Program(Value):
    """What agents have in common that are one program and tell success by its exit code alone."""

    has_sessions: ClassVar[bool] = False
    """Its runs can be gone on with: one that broke off is resumed, or another one takes over."""
    counts_turns: ClassVar[bool] = True
    """Whether it keeps a limit of them itself, or tells none; else the daemon counts the tools that it calls."""
    counts_cost: ClassVar[bool] = True
    """The same for what it costs; else the daemon counts by what it tells, or by the settings' prices."""
    has_model: ClassVar[bool] = True
    """Whether somebody is paid for what it does."""

    env: dict[str, str] = Field(default_factory=dict)
    pass_env: tuple[str, ...] = ()
    """Variables of the daemon's own environment that this agent may see, such as an API key."""
    network: Reach | None = None
    """How far it reaches from its sandbox; None: as the daemon's settings say."""
    network_local: LocalRules | None = None
    """What of this machine and of private networks it reaches; None: as the daemon's settings say."""

    @model_validator(mode="after")
    def _asks_for_nothing_of_ours(self) -> Self:
        reserved = [name for name in (*self.env, *self.pass_env) if name.startswith(RESERVED)]
        if reserved:
            raise ValueError(f"{', '.join(reserved)}: no agent gets Makima's own settings")
        return self

    @property
    def credential(self) -> str:
        """The account that it uses, by its name: what is parked while its limit lasts; empty: it has none."""
        return ""

    @property
    def login_name(self) -> str:
        """The folder of its login; empty: it has none that is shared by its tasks."""
        return ""

    def remedy(self, folder: Path) -> str:
        """What a person does on this machine about a login that is refused; `folder`: in which its login lies."""
        return "How it logs in is its program's own matter: repair that on the daemon's machine."

    def cost_problem(self, model: str) -> str:
        """Why nobody knows what it costs with this model (empty: its own); empty: that is known, or told by the run."""
        return "nobody knows what this agent costs" if self.has_model else ""

    def refuse_limits(self, limits: Limits, model: str) -> None:
        """CannotServe where it could spend more than it may without anybody seeing it."""

    def cost_unknown(self, seen: StreamSummary) -> bool:
        """Whether nobody knows all that a run has cost that is over, or was told of so far."""
        if seen.is_counted or not self.has_model:
            return seen.totals.cost_unknown
        # What prints and nothing more has been at its model for all that anybody knows.
        return seen.has_worked or not self.has_sessions

    def unknown(self, run: AgentRun) -> str:
        """What people should know that nobody tells of this run; empty: nothing."""
        return ""

    def side_files(self, run: AgentRun) -> FileTail | None:
        """What else this run's stream reads; to be called when it begins."""
        return None

    def refuse(self, run: AgentRun, end: ProcessEnd, seen: StreamSummary) -> None:
        """AgentUnavailable where the run says that this machine's program can't be used: no attempt is used by that."""

    @property
    def credential_variables(self) -> tuple[str, ...]:
        """Further ones, given to it under other names: nobody may read them in a log."""
        return ()

    def model_urls(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Where its settings, or what it sees of the daemon's `environ`, say that its model is."""
        seen = {**{name: environ[name] for name in self.pass_env if name in environ}, **self.env}
        return tuple(seen[name] for name in MODEL_VARIABLES if seen.get(name))

    def model_hosts(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Where its model is unless its settings name another place: rules for hosts of the internet."""
        return ()

    def stream(self, run: AgentRun) -> Stream:
        return PlainStream()

    def judge(self, end: ProcessEnd, seen: StreamSummary) -> AgentResult:
        """Completed where it ended by itself with exit code 0; else its last output is the report."""
        if stopped := stopped_by_us(end):
            return stopped
        if end.exit_code != 0:
            return failed(Ending.CRASHED, FailureCategory.AGENT, f"exit code {end.exit_code}", end.tail)
        return AgentResult()


def stopped_by_us(end: ProcessEnd) -> AgentResult | None:
    """What it means that the daemon ended a run at one of its limits; None: it didn't."""
    match end.ended_by:
        case EndedBy.TIME_LIMIT:
            return failed(Ending.KILLED, FailureCategory.TIME_LIMIT, "stopped at the time limit", end.tail)
        case EndedBy.NO_OUTPUT:
            reason = "stopped because it printed nothing for too long"
            return failed(Ending.HUNG, FailureCategory.NO_OUTPUT, reason, end.tail)
        case EndedBy.MEMORY:
            reason = "stopped because it used more memory than max_task_memory_mb"
            return failed(Ending.KILLED, FailureCategory.MEMORY, reason, end.tail)
    return None


def failed(ending: Ending, category: FailureCategory, reason: str, output: str = "") -> AgentResult:
    report = "\n".join(filter(None, (reason, output.strip())))
    return AgentResult(ending, Failure(category=category, report=report))


class PlainStream(PassiveStream):
    """Every piece of output is a piece of the log, and nothing more."""

    by_lines = False

    def read(self, line: str) -> list[Event]:
        return [Printed(line)]

    def prompt(self, text: str) -> str:
        return text

    def reply(self, asked: PermissionRequest, reply: PermissionReply) -> str:
        return ""
