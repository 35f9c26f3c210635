"""The operator's command line (SPEC 9.3), put together from its groups."""

from __future__ import annotations

import typer

from cli.operator.accounts import AccountCommands
from cli.operator.actions import ActionCommands
from cli.operator.commands import Run
from cli.operator.connections import Connections
from cli.operator.doctor import DoctorCommand
from cli.operator.reading import ReadingCommands
from cli.operator.recovering import RecoverCommands
from cli.operator.starting import StartCommands
from cli.operator.viewing import ViewCommands
from cli.operator.watching import WatchCommands


def add_operator_commands(app: typer.Typer, connections: Connections, run: Run) -> None:
    """Make every operator's command one of `app`, under the names of SPEC 8.2 and 9.3."""
    StartCommands(connections, run).add_to(app)
    ReadingCommands(connections, run).add_to(app)
    WatchCommands(connections, run).add_to(app)
    ViewCommands(connections, run).add_to(app)
    AccountCommands(connections, run).add_to(app)
    ActionCommands(connections, run).add_to(app)
    RecoverCommands(connections, run).add_to(app)
    DoctorCommand(connections, run).add_to(app)
