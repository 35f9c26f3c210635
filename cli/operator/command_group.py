"""What every group of the operator's commands is made with."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steering.opened import Opened
from steering.recorded import RecordedDirectives

if TYPE_CHECKING:
    from steering.client import Client
    from steering.connections import Connections
    from steering.directives import Directives
    from steering.looking import Looking

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

    @property
    def opened(self) -> Opened:
        return Opened(self.connections)

    @property
    def looking(self) -> Looking:
        """The same, with the shapes of --json, which take a twentieth of a command's start to build."""
        from steering.looking import Looking

        return Looking(self.connections)

    @property
    def client(self) -> Client:
        """What changes something, too."""
        # Temporal's client takes half a second to import, which help and a mistyped command would wait for.
        from steering.client import Client

        return Client(self.connections)

    def recorded(self) -> AbstractAsyncContextManager[RecordedDirectives]:
        return self.opened.recorded()

    def directives(self) -> AbstractAsyncContextManager[Directives]:
        return self.opened.directives()


def listed(typed: str) -> tuple[str, ...]:
    """What was typed with commas between, in order, without blanks."""
    return tuple(part.strip() for part in typed.split(",") if part.strip())
