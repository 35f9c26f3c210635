"""What the operator's command line is handed by its composition root: Temporal, and a reader of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from domain.day_budget import DayBudgetSeen
from domain.experience import StepDone
from domain.health_report import Check, Health
from domain.leftovers import Leftover
from domain.logged import DeliveryTold, LogPiece, LogPlace
from domain.models import OpenQuestion, PlanChanges, State
from domain.record import Event
from domain.remote_leftovers import RemoteFound, RemoteWanted
from domain.reports import ArtifactSeen, DaemonSeen, DirectiveSummary
from domain.retention import PrunableRecord
from domain.spending import AttemptSpent, DirectiveSpent

if TYPE_CHECKING:
    from temporalio.client import Client


class Directory(Protocol):
    """What an owner has."""

    async def directives(self, owner: str) -> Sequence[DirectiveSummary]:
        """All directives of an owner, the newest first."""
        ...

    async def directive_ids(self, owner: str, name: str) -> Sequence[UUID]:
        """The directives that `name` may mean: an id, the beginning of one, or a workflow id (rule 9.2)."""
        ...

    async def directives_titled(self, owner: str, title: str) -> Sequence[UUID]:
        """The directives of this title, in whatever letter case."""
        ...

    async def directive(self, owner: str, directive: UUID) -> DirectiveSummary | None:
        """One of them; None where it is not the owner's."""
        ...

    async def open_questions(self, owner: str) -> Sequence[OpenQuestion]:
        """What the agents of an owner's directives ask of people, the oldest first (rule 8.3)."""
        ...

    async def daemons(self, owner: str) -> Sequence[DaemonSeen]:
        """The daemons that have ever reported; `silent_for` tells the gone ones."""
        ...

    async def spent(self, owner: str) -> Sequence[DirectiveSpent]:
        """What each of an owner's directives has used up, the latest changed first."""
        ...

    async def day_budgets(self, owner: str) -> Sequence[DayBudgetSeen]:
        """The budgets of the day, and the accounts that were used today."""
        ...


class Contents(Protocol):
    """What is recorded of one directive."""

    async def state(self, directive: UUID) -> State | None:
        """Where it stood when it was last written; None: unknown."""
        ...

    async def is_answered(self, directive: UUID, request_id: str) -> bool:
        """Whether what this request led to is recorded."""
        ...

    async def checked_ago(self) -> timedelta | None:
        """How long ago a worker last looked which workflows are lost; None: never."""
        ...

    async def events(self, directive: UUID) -> Sequence[Event]:
        """All that happened to it, in order."""
        ...

    async def attempts(self, directive: UUID) -> Sequence[AttemptSpent]:
        """Every attempt with what it used up, in the order of plans."""
        ...

    async def steps_done(self, owner: str, repository: str) -> Sequence[StepDone]:
        """What the latest completed steps of the owner's directives in a repository have used."""
        ...

    async def plans(self, directive: UUID) -> Mapping[int, PlanChanges]:
        """Generation → what its planner handed over last, whether it was carried out or not."""
        ...

    async def artifacts(self, directive: UUID) -> Sequence[ArtifactSeen]:
        """The files that its tasks handed over, the latest first."""
        ...

    async def artifact(self, directive: UUID, name: str) -> str | None:
        """The text of the latest file of that name; None: there is none."""
        ...


class Logs(Protocol):
    """What agents have printed."""

    async def deliveries(self, directive: UUID, task: UUID) -> Sequence[DeliveryTold]:
        """Every delivery of a task that has begun or logged something, in order."""
        ...

    async def log_after(self, task: UUID, place: LogPlace) -> tuple[Sequence[LogPiece], LogPlace]:
        """What has arrived of a delivery's log behind a place, and the place to go on from."""
        ...


class Record(Directory, Contents, Logs, Protocol):
    """The record of all directives, for reading (rule 9.1)."""


class Retention(Protocol):
    """What of the record may be forgotten."""

    async def prunable(self, owner: str, older_than: timedelta) -> Sequence[PrunableRecord]:
        """The directives that ended so long ago and have events or logs, the oldest first."""
        ...

    async def left_in(self, owner: str, repository: str) -> RemoteWanted:
        """What an owner's ended directives have left in a repository, and the branches that others still need."""
        ...

    async def prune(self, directive: UUID) -> bool:
        """Forget its events and logs; False where it has not ended, and nothing was changed."""
        ...


class Cleaning(Protocol):
    """What Makima has left on this machine."""

    @property
    def found(self) -> Sequence[Leftover]: ...

    async def remove(self, chosen: Sequence[Leftover]) -> None:
        """Remove these of `found`; what was cut off is finished when it is called again."""
        ...


class Connections(Protocol):
    """Opened only by the commands that need them."""

    @property
    def owner(self) -> str: ...

    @property
    def web_ui(self) -> str | None:
        """The Web UI's address without a slash at its end, where it is known."""
        ...

    @property
    def cache(self) -> Path:
        """A folder of the operator's own for what can be fetched again."""
        ...

    @property
    def config(self) -> Path:
        """The operator's own defaults; there may be no such file."""
        ...

    async def temporal(self) -> Client:
        """Raises NotReachable."""
        ...

    def record(self) -> AbstractAsyncContextManager[Record]:
        """Raises NotReachable on entering."""
        ...

    def retention(self) -> AbstractAsyncContextManager[Retention]:
        """Raises NotReachable on entering."""
        ...

    @property
    def answer_url(self) -> str:
        """Where people reach the pages of these links, as this machine's settings say; empty: they don't."""
        ...

    async def notice_checks(self) -> Sequence[Check]:
        """What the notices of this machine's settings need and lack; nothing is sent."""
        ...

    def answer_key(self) -> bytes:
        """What signs the links of notices; SettingsError."""
        ...

    async def try_channels(self) -> Health:
        """Send a test notice by each channel that is set on this machine; SettingsError where one can't be read."""
        ...

    def cleaning(self, *, with_settings: bool) -> AbstractAsyncContextManager[Cleaning]:
        """What may be removed from this machine, `with_settings`: also those that people have written. Raises Refused
        on entering where a stack or a daemon runs there.
        """
        ...

    async def on_remote(self, wanted: RemoteWanted) -> RemoteFound:
        """What there is on a remote, or what was removed there, by the daemon of this machine. Raises SettingsError
        where there is none, and Refused with its reason where it can't.
        """
        ...

    async def local_daemon(self, options: Sequence[str]) -> Health | None:
        """What the daemon of this machine needs and lacks, asked with further options of its `doctor`; None where there
        is none.
        """
        ...
