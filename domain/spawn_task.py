"""The SpawnTask command and its outcome: the one contract between core and daemon (rule 5.2)."""

from __future__ import annotations

import operator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Protocol
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator

from domain.agents import Away, HandedOver
from domain.directive_secret import NO_SECRET, DirectiveSecret
from domain.directive_settings import AgentChoice, Limits, StepAgents
from domain.errors import AttemptGone, Refused
from domain.failures import Failure, FailureCategory, RepositoryTrouble
from domain.models import Memory, PlanChanges, Question, Work
from domain.moment import Moment
from domain.nodes import Node
from domain.progress import Progress
from domain.pull_request import PullRequestWanted, Shipped
from domain.statuses import TaskKind
from domain.timings import Timings
from domain.tolerant import OR_NONE, Tolerant
from domain.usage import ResumableSession, Usage

VERSION = "1.1"
REPORT_LIMIT = 4 * 1024
LONGEST_NAME = 200
"""Characters of a daemon's or delivery's name, whoever gives it; ours are shorter."""


class ContinueFrom(Tolerant):
    """A finished task whose commit this one builds on."""

    task: UUID
    name: str
    branch: str
    commit: str
    merges: tuple[str, ...] = ()
    """The base branch's commits that it was there to merge: nothing of a pull request into another base branch."""


class KnownStep(Node, Tolerant):
    """What the agent's commands need to know of a step that exists already."""

    status: str
    """A StepStatus; of a later version's, what follows is all that is known."""
    finished: bool
    running: bool


class CommandContext(Tolerant):
    """What the agent's `makima directive …` commands answer from (rule 3.1)."""

    steps: tuple[KnownStep, ...] = ()
    memory_enabled: bool = False
    memories: tuple[Memory, ...] = ()
    answers: tuple[Question, ...] = ()
    """This task's questions, with the answers that there are."""
    agents: StepAgents = StepAgents.model_construct()
    """Planning: what its steps may be given."""


class SpawnTask(Tolerant):
    """One attempt of one task, with everything that a daemon needs to run it."""

    # What can't be read is told without what it holds: the secret is part of it.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

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
    """Empty: the remote's default branch; only for planning and prepare, which say what it is."""
    base_commit: str = ""
    """Empty: the head of the base branch, resolved by this task (rule 2.3)."""
    target_branch: str = ""
    branch_prefix: str = ""
    """What the directive's branches begin with; empty: the repository says, or nobody."""
    continue_from: ContinueFrom | None = None
    merge: tuple[ContinueFrom, ...] = ()
    agent: AgentChoice | None = None
    handed_over: HandedOver | None = None
    """Another agent had the task before this one, which goes on with its work (rule 5.9)."""
    limits: Limits
    pulse: timedelta = Timings.model_construct().pulse
    """How often the daemon beats while it works."""
    settle: timedelta = Timings.model_construct().settle
    """Work that has lived for this long is reported as started."""
    context: CommandContext = CommandContext.model_construct()
    setup: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    """In place of those of `.makima.toml` at the base commit (rule 6.5)."""
    checkpoint_every: timedelta = Timings.model_construct().checkpoint
    bridges: tuple[str, ...] = ()
    """Heads of merged pull requests: what starts or merges here begins from a commit that joins the base branch with
    those of them that it doesn't hold (rule 7.2)."""
    taken_back: tuple[str, ...] = ()
    """Completion: commits of steps whose work an operator has taken back; what is pushed must not hold them."""
    pull_request: PullRequestWanted | None = None
    """Completion: what to open or update after the push; None: push only."""
    resume: ResumableSession | None = None
    """The attempt has waited: the session that it can go on with, and what it has used so far."""
    run: str = ""
    """The directive's run that has dispatched the attempt; empty: one of before this was told. In another run, which a
    reset has made, the delivery has to be dispatched anew: the record may know its attempt's end."""
    recorded: Outcome | None = None
    """How the attempt ended, as the record knows; it is dispatched for its work to be found again, and not done again.
    """
    secret: DirectiveSecret = NO_SECRET
    """What the attempt's state on the remote is authenticated with; empty: by nothing, as before version 1.1. Commands
    with one wait on queues that only daemons poll that know what it is for."""

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


class MemoryChange(Tolerant):
    """What an agent set, or deleted: then `memory` is None."""

    key: str
    memory: Memory | None = None


class Outcome(Tolerant):
    """How one attempt ended (rule 5.3); the same whichever delivery reports it."""

    task: UUID
    attempt: int
    status: OutcomeStatus
    summary: str = ""
    failure: Failure | None = None
    trouble: RepositoryTrouble | None = None
    """With a failure of the category REPOSITORY."""
    work: Work | None = None
    base_commit: str = ""
    """Planning and prepare: the commit that the generation starts from."""
    base_branch: str = ""
    """Planning and prepare: the branch that it is the head of; the remote's default one, where none was named."""
    branch_prefix: str = ""
    """Planning and prepare: what the repository wants the directive's branches to begin with."""
    plan: PlanChanges | None = None
    wait_until: Moment | None = None
    memories: tuple[MemoryChange, ...] = ()
    pull_request_url: str = ""
    """Where the agent says that it has opened one itself (rule 3.2)."""
    not_merged: tuple[UUID, ...] = ()
    """Completion: the tasks whose work was left out, since it merges a base branch that is none any more."""
    shipped: Shipped | None = None
    """Completion: what became of the pull request."""
    questions: tuple[Question, ...] = ()
    """Waiting: what the agent asks."""
    away: Annotated[Away | None, OR_NONE] = Field(default=None, exclude_if=operator.not_)
    """Waiting: because its account can't be used; another agent may go on in its place."""
    usage: Usage = Usage.model_construct()
    """Of the whole attempt, over all its deliveries."""
    resume: ResumableSession | None = None
    """Waiting: where the agent's session lies."""
    warnings: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    """What was found on the remote in place of the attempt's own state, and what became of it."""
    account: Annotated[str, Field(max_length=LONGEST_NAME + 41)] = Field(default="", exclude_if=operator.not_)
    """Whose its latest use is (domain.day_budget.Account)."""
    daemon: str = ""
    delivery: str = ""
    """Whose it is; two deliveries never publish the same bytes (rule 6.8)."""


def failed(command: SpawnTask, category: FailureCategory, report: str) -> Outcome:
    """The outcome of an attempt that failed; the report's end is kept, where programs say what is wrong."""
    return Outcome(
        task=command.task,
        attempt=command.attempt,
        status=OutcomeStatus.FAILED,
        failure=Failure(category=category, report=cut(report)),
    )


def cut(report: str, limit: int = REPORT_LIMIT) -> str:
    """`report` within `limit` bytes of UTF-8 (rule 1: 4 KiB), losing its beginning."""
    encoded = report.encode()
    if len(encoded) <= limit:
        return report
    return "… " + encoded[-limit + 8 :].decode(errors="ignore")


class TaskStarted(Tolerant):
    """The daemon's signal that the work has lived for a second (rule 4.4)."""

    name: str = ""
    """The task's; first, because the Web UI shows only a signal's beginning."""
    task: UUID
    attempt: int
    delivery: Annotated[str, Field(max_length=LONGEST_NAME)]
    """A part of a key in the record, whose rows have a limit."""
    daemon: Annotated[str, Field(max_length=LONGEST_NAME)]


class Delivery(Protocol):
    """One start of an attempt on this machine, as its server sees it."""

    @property
    def name(self) -> str:
        """8 hex digits, unique over all deliveries (design 9)."""
        ...

    @property
    def run(self) -> str:
        """The directive's run that waits for it."""
        ...

    @property
    def used_before(self) -> Usage:
        """What the attempt had used by the last heartbeat of the delivery before this one, if there was one."""
        ...

    def beat(self, progress: Progress) -> None:
        """Say that the work lives and what it does; cheap, throttled by the server's client."""
        ...

    async def started(self, delivery: str) -> None:
        """Tell the directive that the work has started, under the name `delivery`: its own, or that of an earlier one
        whose work it has taken over. NotReachable.
        """
        ...

    async def ask(self, question: Question) -> None:
        """Show a question to people at once, while the agent still waits for the answer (rule 8.3); NotReachable."""
        ...

    async def answers(self) -> tuple[Question, ...]:
        """This task's questions as they stand now, with the answers that there are; NotReachable."""
        ...

    def leaves(self, outcome: Outcome) -> None:
        """What the attempt has used so far, as an outcome that waits: it stops, saved, where nobody wants it."""
        ...

    async def confirm(self) -> None:
        """Ask the server afresh if the attempt is still this delivery's own; AttemptGone if it isn't (rule 6.8),
        NotReachable.
        """
        ...


class LosableDelivery(Delivery, Protocol):
    """A delivery whose server can lose it while its work goes on (rule 5.4)."""

    @property
    def successor_within(self) -> float:
        """Once it was cancelled: seconds within which the attempt's next delivery may come, because the server has only
        lost this one; 0: the work itself was called back.
        """
        ...

    async def may_have_successor(self) -> bool:
        """Whether the attempt's next delivery may still come to this daemon: the attempt was not called back, and no
        other daemon has it. True where the server can't be asked.
        """
        ...


def refuse_other_run(command: SpawnTask, delivery: Delivery) -> None:
    """AttemptGone where the directive was reset after the command was made: Temporal delivers it once more, and the new
    run, which asks the record first, dispatches the attempt anew if it has not ended.
    """
    if command.recorded is None and command.run not in ("", delivery.run):
        raise AttemptGone("the directive was reset after this was dispatched")


def refuse_foreign(command: SpawnTask, owner: str) -> None:
    """Refused unless the command is for this daemon's owner: everything is scoped by owner (rule 1)."""
    if command.owner != owner:
        raise Refused(f"task {command.task} belongs to owner {command.owner!r}, this daemon serves {owner!r}")
