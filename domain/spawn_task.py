"""The SpawnTask command and its outcome: the one contract between core and daemon (SPEC 5.2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from domain.errors import Refused
from domain.models import AgentChoice, Failure, FailureCategory, Limits, Step, TaskKind, Work

VERSION = "1.0"
REPORT_LIMIT = 4 * 1024


class Tolerant(BaseModel):
    """A frozen value that crosses versions: unknown fields in it are ignored (SPEC 5.2)."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ContinueFrom(Tolerant):
    """A finished task whose commit this one builds on."""

    task: UUID
    name: str
    branch: str
    commit: str


class KnownStep(Tolerant):
    """What the agent's commands need to know of a step that exists already."""

    id: UUID
    name: str
    generation: int
    status: str
    finished: bool
    running: bool
    depends_on: tuple[UUID, ...] = ()


class CommandContext(Tolerant):
    """What the agent's `makima directive …` commands answer from (SPEC 3.1)."""

    steps: tuple[KnownStep, ...] = ()


class SpawnTask(Tolerant):
    """One attempt of one task, with everything that a daemon needs to run it."""

    version: str = VERSION
    task: UUID
    name: str
    kind: TaskKind
    attempt: Annotated[int, Field(ge=1)]
    owner: str
    directive: UUID
    directive_title: str
    step: UUID | None = None
    step_name: str = ""
    generation: int
    prompt: str
    script: str = ""
    """The step's task plan by itself, for the agents that run it as it stands (`shell`)."""
    repository: str
    base_branch: str
    base_commit: str = ""
    """Empty: the head of the base branch, resolved by this task (SPEC 2.3)."""
    target_branch: str = ""
    continue_from: ContinueFrom | None = None
    merge: tuple[ContinueFrom, ...] = ()
    agent: AgentChoice | None = None
    limits: Limits
    pulse: timedelta = timedelta(seconds=5)
    """How often the daemon beats while it works."""
    settle: timedelta = timedelta(seconds=1)
    """Work that has lived for this long is reported as started."""
    context: CommandContext = CommandContext()

    @field_validator("version")
    @classmethod
    def _not_newer(cls, version: str) -> str:
        if int(version.split(".", maxsplit=1)[0]) > int(VERSION.split(".", maxsplit=1)[0]):
            raise ValueError(f"SpawnTask version {version}: this daemon understands up to {VERSION}; upgrade it")
        return version


class OutcomeStatus(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    WAITING = "waiting"


class Usage(Tolerant):
    """What an attempt used up."""

    seconds: float = 0
    cost_usd: float = 0
    tokens: int = 0


class PlanChanges(Tolerant):
    """What a planning task hands over: validated once at the command, again when it is folded in (SPEC 3.5)."""

    add: tuple[Step, ...] = ()
    remove: tuple[UUID, ...] = ()


class Outcome(Tolerant):
    """How one attempt ended (SPEC 5.3); the same whichever delivery reports it."""

    task: UUID
    attempt: int
    status: OutcomeStatus
    summary: str = ""
    failure: Failure | None = None
    work: Work | None = None
    base_commit: str = ""
    """Planning and prepare: the commit that the generation starts from."""
    plan: PlanChanges | None = None
    wait_until: datetime | None = None
    usage: Usage = Usage()
    warnings: tuple[str, ...] = ()
    daemon: str = ""
    delivery: str = ""
    """Whose it is; two deliveries never publish the same bytes (SPEC 6.8)."""


def failed(command: SpawnTask, category: FailureCategory, report: str) -> Outcome:
    """The outcome of an attempt that failed; the report's end is kept, where programs say what is wrong."""
    return Outcome(
        task=command.task,
        attempt=command.attempt,
        status=OutcomeStatus.FAILED,
        failure=Failure(category=category, report=cut(report)),
    )


def cut(report: str) -> str:
    """`report` within 4 KiB of UTF-8 (SPEC 1), losing its beginning."""
    encoded = report.encode()
    if len(encoded) <= REPORT_LIMIT:
        return report
    return "… " + encoded[-REPORT_LIMIT + 8 :].decode(errors="ignore")


class Progress(Tolerant):
    """What a heartbeat says; at most 1 KiB in all (SPEC 6.11)."""

    daemon: str
    delivery: str
    phase: str
    last_line: str = ""


class TaskStarted(Tolerant):
    """The daemon's signal that the work has lived for a second (SPEC 4.4)."""

    task: UUID
    attempt: int
    delivery: str
    daemon: str


class Delivery(Protocol):
    """One start of an attempt on this machine, as its server sees it."""

    @property
    def name(self) -> str:
        """8 hex digits, unique over all deliveries (DESIGN 9)."""
        ...

    def beat(self, progress: Progress) -> None:
        """Say that the work lives and what it does; cheap, throttled by the server's client."""
        ...

    async def started(self) -> None:
        """Tell the directive that the work has started."""
        ...

    async def confirm(self) -> None:
        """Ask the server afresh if the attempt is still this delivery's own; AttemptGone if it isn't (SPEC 6.8)."""
        ...


def refuse_foreign(command: SpawnTask, owner: str) -> None:
    """Refused unless the command is for this daemon's owner: everything is scoped by owner (SPEC 1)."""
    if command.owner != owner:
        raise Refused(f"task {command.task} belongs to owner {command.owner!r}, this daemon serves {owner!r}")
