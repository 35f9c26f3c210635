"""What the activities need of the world; composition roots hand it in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from domain.daemon_messages import Artifact, DaemonReport, DaemonWanted, LogChunk, UsageReport, UsedBeside
from domain.day_budget import DayBudgetChange
from domain.experience import RepositoryNamed, StepDone
from domain.intake.issue import IssueNamed, IssueRead
from domain.intake.state import IssueLook, IssuesSeen, IssueTold, ProgressTold
from domain.models import State
from domain.pull_request import Sighting, Watch
from domain.record import AttemptNamed, ProgressWrite, WriteAnswer
from domain.reports import DaemonSeen, DirectiveSummary
from domain.spawn_task import LosableDelivery, Outcome, SpawnTask
from domain.start_checks import StartSeen, StartWanted
from domain.tidied import Tidied, Tidying
from domain.usage import Rate


class Daemon(Protocol):
    """The daemon that an activity runs on: here a SpawnTask command reaches a machine."""

    async def spawn(self, command: SpawnTask, delivery: LosableDelivery) -> Outcome:
        """Run one delivery of an attempt to its end.

        A failure of the work is an Outcome. Raises CannotServe where this daemon can't serve the task, AttemptGone
        where the attempt is no longer this delivery's own: its work may go on for the next one. Any other error is
        infrastructure's, and delivered again.
        """
        ...


class Shepherd(Protocol):
    """What a daemon does about a pull request between completions (rule 7.5)."""

    async def look(self, watch: Watch) -> Sighting | None:
        """What is new of it; None: nothing. What the forge refuses us is a finding. Raises ForgeUnreachable."""
        ...

    async def tidy(self, tidying: Tidying) -> Tidied:
        """Delete what is merged; any number of times. Raises GitError, RepositoryError."""
        ...


class IssueReader(Protocol):
    """What a daemon reads of a forge's issues (rule 7.6)."""

    async def read(self, named: IssueNamed) -> IssueRead:
        """One of them. Raises ForgeUnreachable, ForgeRefused."""
        ...

    async def look(self, look: IssueLook) -> IssuesSeen | None:
        """What is new of the labelled ones; None: nothing. What the forge refuses us is told as trouble. Raises
        ForgeUnreachable.
        """
        ...

    async def tell(self, told: ProgressTold) -> IssueTold:
        """Let our one comment below an issue say this; since when it does. Raises ForgeUnreachable, ForgeRefused."""
        ...


class DirectiveStarter(Protocol):
    """Who may start workflows."""

    async def start(self, draft: State) -> str:
        """Start the directive, unless there is or was one of its id; the id of its workflow. Raises NotReachable,
        RecordError.
        """
        ...


class DirectivesKnown(Protocol):
    """The record, as a worker reads it. Every method raises NotReachable and RecordError."""

    async def directive(self, owner: str, directive: UUID) -> DirectiveSummary | None:
        """One of the owner's, or None."""
        ...

    async def state(self, directive: UUID) -> State | None:
        """Where it stood when it was last written; None: unknown."""
        ...

    async def daemons(self, owner: str) -> Sequence[DaemonSeen]:
        """Those that have ever reported."""
        ...


class StartChecks(Protocol):
    """What a daemon finds out before a directive is started (rule 2.12)."""

    async def look(self, wanted: StartWanted) -> StartSeen:
        """Whether work could begin in that repository, and be pushed there; never raises for what is wrong with it."""
        ...


class Ledger(Protocol):
    """The record of all directives, as the workflows write it and ask it."""

    async def record(self, write: ProgressWrite) -> WriteAnswer:
        """One transaction (design 3)."""
        ...

    async def find_outcome(self, wanted: AttemptNamed) -> Outcome | None:
        """How an attempt ended, None where it is not known to have."""
        ...

    async def rates(self, wanted: RepositoryNamed) -> dict[str, Rate]:
        """Agent → what it has cost, by its latest attempts in a repository that have told all their cost."""
        ...

    async def steps_done(self, wanted: RepositoryNamed) -> tuple[StepDone, ...]:
        """What the latest completed steps in a repository have used."""
        ...

    async def pick_daemon(self, wanted: DaemonWanted) -> str | None:
        """The daemon with the most free slots that may serve, None where none has reported lately."""
        ...


class Telemetry(Protocol):
    """What daemons tell beside the work; nothing in it ever changes a directive."""

    async def append_log(self, chunk: LogChunk) -> None:
        """Keep a piece of a log; the same piece twice is kept once."""
        ...

    async def put_artifact(self, artifact: Artifact) -> None:
        """Keep a file that a task handed over; a later one of the same name takes its place."""
        ...

    async def note_usage(self, report: UsageReport) -> UsedBeside:
        """Note what an attempt has used that runs; what all others of its directive have used, which steps run beside
        it, and how far the day's budgets are.
        """
        ...

    async def knows_daemon(self, owner: str, name: str) -> bool:
        """Whether this daemon has reported before, or has taken a task of the owner's."""
        ...

    async def report_daemon(self, report: DaemonReport) -> None:
        """Remember a daemon and when it was last heard of."""
        ...


class DayBudgets(Protocol):
    """What an owner's agents may use a day, as the record keeps it."""

    async def freed(self) -> Collection[tuple[str, str]]:
        """Each workflow with a task that waits for a budget of the day which is used up no more, and whose that is."""
        ...


class DayBudgetChanges(Protocol):
    """Who changes it."""

    async def change_day_budget(self, wanted: DayBudgetChange) -> None:
        """Set, raise or take away a budget of the day."""
        ...
