"""What the record tells about many directives and daemons at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import computed_field

from domain.statuses import DirectiveStatus, SandboxKind, StepStatus
from domain.value import Value

LATELY = timedelta(seconds=90)
"""A daemon reports every 30 s (design 4): three reports missed, and nobody should count on it."""


class DirectiveSummary(Value):
    """A line of a list of directives."""

    id: UUID
    workflow_id: str
    title: str
    status: DirectiveStatus
    reason: str
    generation: int
    steps: dict[StepStatus, int]
    """How many steps are in a status; one that no step is in is left out."""
    updated_at: datetime
    repository: str = ""
    age: timedelta = timedelta()
    """Since the record knows it, by the database's clock."""
    lost: str = ""
    """How its workflow ended, where that left the directive unfinished, or why it can't go on (rule 9.2)."""
    held_up: dict[str, str] = {}
    """Task, by the first 8 hex digits of its id → why what it does fails and is tried again; `watch` and `tidy` are the
    looks at its pull request, and the deletion of its branches once it is merged.
    """
    again: dict[str, datetime] = {}
    """The same → when it is tried again, also a look that has only seen nothing new."""


class WorkflowNoted(Value):
    """What a worker has seen of the workflow of a directive that has not ended, in the words of its summary."""

    lost: str = ""
    held_up: dict[str, str] = {}
    again: dict[str, datetime] = {}


class DaemonSeen(Value):
    """A daemon as it reported itself last."""

    name: str
    version: str
    agents: tuple[str, ...]
    labels: tuple[str, ...]
    capacity: int
    running: tuple[UUID, ...]
    reported_at: datetime
    sandbox: str
    """How it keeps its agents apart from its machine."""
    parked: tuple[str, ...] = ()
    """Its agents whose account can't be used now, each with why and until when."""
    features: tuple[str, ...] = ()
    """What it can do that older daemons can't."""
    silent_for: timedelta
    """By the database's clock, so that no machine's own clock matters."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reported_lately(self) -> bool:
        return self.silent_for < LATELY

    @property
    def unboxed(self) -> str:
        """What an operator should know of its sandbox; empty: its agents are in one, as far as it says."""
        kind, _, reason = self.sandbox.partition(": ")
        match kind:
            case SandboxKind.NONE:
                return f"{self.name} runs agents without a sandbox: they see and change all that its user may"
            case SandboxKind.MISSING:
                return f"{self.name} serves no agent, for it has no sandbox: {reason}"
            case _:
                return ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def free(self) -> int:
        """The slots that hold no task; those of a daemon that has gone are nobody's."""
        return max(self.capacity - len(self.running), 0) if self.reported_lately else 0


class ArtifactSeen(Value):
    """A line of a list of the files that a directive's tasks handed over."""

    name: str
    task: UUID
    attempt: int
    size: int
    """Bytes of UTF-8, as far as the record keeps it."""
    put_at: datetime
    """By the database's clock."""


class DirectivesCounted(Value):
    owner: str
    status: DirectiveStatus
    number: int


class DaemonsCounted(Value):
    """Of those that have reported lately."""

    owner: str
    daemons: int
    slots: int
    running: int


class Census(Value):
    """How much there is of everything, for the metrics."""

    directives: tuple[DirectivesCounted, ...]
    """Every owner's every status, those without a directive too: a gauge must come down to zero."""
    daemons: tuple[DaemonsCounted, ...]
