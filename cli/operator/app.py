"""The operator's command line (rule 9.3), put together from its groups."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

import typer
from typer.models import CommandInfo

from cli.operator.command_group import Commands, Run

if TYPE_CHECKING:
    from steering.connections import Connections

ACTIONS = "actions.ActionCommands"
GROUPS: Mapping[str, tuple[str, ...]] = {
    "starting.StartCommands": ("start", "create"),
    "listing.ListCommand": ("list",),
    "reading.ReadingCommands": ("status", "logs", "questions", "body", "memory", "artifacts", "daemons"),
    "watching.WatchCommands": ("watch",),
    "viewing.ViewCommands": ("graph", "plan", "why", "diff"),
    "record_commands.AccountCommands": ("history", "costs", "prune"),
    "day_budgets.DayBudgetCommand": ("budget",),
    "intakes.IntakeCommand": ("intake",),
    "initializing.InitCommand": ("init",),
    "schedules.ScheduleCommand": ("schedule",),
    ACTIONS: (),
    "recovering.RecoverCommands": ("recover",),
    "doctor.DoctorCommand": ("doctor",),
    "mcp_server.McpCommand": ("mcp",),
    "notices.NoticeCommand": ("test-notices",),
    "cleaning.CleanCommand": ("clean",),
    "answers.AnswersCommand": ("answers",),
    "webhooks.WebhooksCommand": ("webhooks",),
}
"""Each group of commands with their names, so that only the group of the one that was typed is imported; the actions
have all other names."""

PANELS: Mapping[str, tuple[str, ...]] = {
    "Every day": ("up", "start", "list", "status", "watch", "logs", "why", "questions", "answer", "approve"),
    "Start": ("init", "create", "begin", "intake", "schedule"),
    "Look": ("plan", "graph", "history", "costs", "diff", "body", "memory", "artifacts"),
    "Steer": ("goal", "replan", "reject", "edit", "pause", "resume", "archive", "memory-set", "memory-delete"),
    "Pull request": ("poke", "set-pr"),
    "Steps": ("retry-step", "skip-step", "cancel-step", "complete-step", "fail-step"),
    "Plan by hand": ("add-step", "edit-step", "remove-step", "set-deps"),
    "Repair": ("doctor", "recover", "restart"),
    "Machine": ("daemons", "budget", "mcp", "webhooks", "test-notices", "answers", "down", "migrate", "prune", "clean"),
}
"""What `--help` shows together, in its order: the first ones are all that most days need."""


def add_operator_commands(app: typer.Typer, connections: Connections, run: Run, *, typed: str = "") -> None:
    """Make every operator's command one of `app`, under the names of rules 8.2 and 9.3.

    Where `typed` is the name of one, its group alone: the others take time to import, and nobody sees them.
    """
    chosen = [group for group, names in GROUPS.items() if typed in names] or [ACTIONS] * typed[:1].isalpha()
    for group in chosen:
        find(group)(connections, run).add_to(app)
    if typed not in names_in(app):
        for group in (each for each in GROUPS if each not in chosen):
            find(group)(connections, run).add_to(app)


def names_in(app: typer.Typer) -> set[str]:
    """The names of the commands of `app`."""
    return {_name_of(each) for each in app.registered_commands}


def arrange(app: typer.Typer) -> None:
    """Put the commands of `app` under the headings of its help."""
    panel_of = {name: panel for panel, names in PANELS.items() for name in names}
    order = {name: place for place, name in enumerate(panel_of)}
    app.registered_commands.sort(key=lambda command: order[_name_of(command)])
    for command in app.registered_commands:
        command.rich_help_panel = panel_of[_name_of(command)]


def _name_of(command: CommandInfo) -> str:
    return command.name or str(command.callback and command.callback.__name__)


def find(group: str) -> type[Commands]:
    """The class of a group; its module is imported."""
    module, name = group.split(".")
    found: type[Commands] = getattr(import_module(f"cli.operator.{module}"), name)
    return found
