"""What the operator's command line is handed by its composition root: Temporal, and a reader of the record."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from temporalio.client import Client

from domain.models import State
from domain.reports import DaemonSeen, DirectiveSummary


class Record(Protocol):
    """The record of all directives, for reading (SPEC 9.1)."""

    async def directives(self, owner: str) -> Sequence[DirectiveSummary]:
        """All of an owner's, the newest first."""
        ...

    async def state(self, directive: UUID) -> State | None:
        """Where a directive stood when it was last written; None: unknown."""
        ...

    async def directive_ids(self, owner: str, name: str) -> Sequence[UUID]:
        """The directives that `name` may mean: an id, the beginning of one, or a workflow id (SPEC 9.2)."""
        ...

    async def logs(self, task: UUID) -> str:
        """The log of a task's latest delivery, as far as it has arrived."""
        ...

    async def daemons(self, owner: str) -> Sequence[DaemonSeen]:
        """The daemons that have ever reported; `silent_for` tells the gone ones."""
        ...


class Connections(Protocol):
    """Opened only by the commands that need them."""

    @property
    def owner(self) -> str: ...

    @property
    def web_ui(self) -> str | None:
        """The Web UI's address without a slash at its end, where it is known."""
        ...

    async def temporal(self) -> Client:
        """Raises NotReachable."""
        ...

    def record(self) -> AbstractAsyncContextManager[Record]:
        """Raises NotReachable on entering."""
        ...
