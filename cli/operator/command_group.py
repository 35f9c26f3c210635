"""What every group of the operator's commands is made with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.operator.connections import Connections, Record
from cli.operator.recorded import RecordedDirectives

if TYPE_CHECKING:
    from temporalio.client import Client

    from cli.operator.directives import Directives

Run = Callable[[Coroutine[Any, Any, int]], None]
"""Runs a command to its end and leaves with its exit code."""

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="A directive's id, a unique beginning of it, its workflow's name, or its title where unique."
    ),
]
OptionalId = Annotated[str | None, typer.Argument(metavar="[ID]", help="A directive; without it, all of them.")]
StepName = Annotated[
    str,
    typer.Argument(metavar="STEP", help="A step's name (the newest one of it), its id or a unique beginning of that."),
]
OptionalStepName = Annotated[str | None, typer.Argument(metavar="[STEP]", help="A step; without it, those not done.")]
Json = Annotated[bool, typer.Option("--json", help="JSON in place of lines.")]
Raw = Annotated[bool, typer.Option("--raw", help="Its characters as they are: what it holds may act on your terminal.")]
RequestId = Annotated[
    str | None, typer.Option("--request-id", help="A name for this request: sent again, it has no second effect.")
]


class Commands:
    """A group of commands over the connections that the composition root hands in."""

    def __init__(self, connections: Connections, run: Run) -> None:
        self.connections = connections
        self.run = run

    def add_to(self, app: typer.Typer) -> None:
        """Make them commands of `app`."""
        raise NotImplementedError

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[RecordedDirectives]:
        """The owner's directives, for reading: all is in the record. Raises NotReachable where Postgres isn't there;
        Temporal is asked only for what the record doesn't know.
        """

        async def unrecorded(reference: str) -> Sequence[str]:
            return await self.through(await self.connections.temporal(), record).find_running(reference)

        async with self.connections.record() as record:
            yield RecordedDirectives(record, self.connections.owner, unrecorded=unrecorded)

    @asynccontextmanager
    async def directives(self) -> AsyncIterator[Directives]:
        """The same, for changing them, too; raises NotReachable where Temporal or Postgres isn't."""
        client = await self.connections.temporal()
        async with self.connections.record() as record:
            yield self.through(client, record)

    def through(self, client: Client, record: Record) -> Directives:
        """The same, where these are open."""
        # Temporal's client takes half a second to import, which help and a mistyped command would wait for.
        from cli.operator.directives import Directives

        return Directives(client, record, self.connections.owner)

    def page(self, workflow: str) -> str | None:
        """A directive's page in the Web UI, where its address is known."""
        web_ui = self.connections.web_ui
        return f"{web_ui}/namespaces/default/workflows/{workflow}" if web_ui else None


def listed(typed: str) -> tuple[str, ...]:
    """What was typed with commas between, in order, without blanks."""
    return tuple(part.strip() for part in typed.split(",") if part.strip())
