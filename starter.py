"""Composition root 3: the operator's command line, with the embedded stack's own commands."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Annotated, Any, NoReturn

import typer
from temporalio.client import Client

from cli.operator import add_operator_commands
from cli.usage import run_typed
from domain.errors import MakimaError
from ledger.pool import open_pool
from ledger.reader import Record
from runtime.connection import connect_temporal, find_database_url, find_web_ui_url
from runtime.exit import exit_code, leave, one_line, run
from runtime.settings import Settings, load_settings
from stack import embedded


class Connections:
    """Opened only by the commands that need them, so that `--help` works anywhere."""

    @cached_property
    def settings(self) -> Settings:
        return load_settings()

    @property
    def owner(self) -> str:
        return self.settings.owner

    @property
    def web_ui(self) -> str | None:
        return find_web_ui_url(self.settings)

    async def temporal(self) -> Client:
        return await connect_temporal(self.settings, identity="starter", quiet=True)

    @asynccontextmanager
    async def record(self) -> AsyncIterator[Record]:
        async with await open_pool(find_database_url(self.settings)) as pool:
            yield Record(pool)


def finish(command: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command to its end and leave with its exit code."""
    leave(run(lambda: command))


def build_app() -> typer.Typer:
    """The command line: what works on directives from cli, what works on the stack from here."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Durable goals for coding agents.")
    connections = Connections()
    add_operator_commands(app, connections, finish)

    @app.command()
    def up(
        servers_only: Annotated[bool, typer.Option("--servers-only", help="Neither worker nor daemon.")] = False,
    ) -> None:
        """Run the embedded stack in the foreground until Ctrl-C: Temporal, Postgres, a forge, a worker, a daemon.

        Example: starter.py up
        """
        parts = not servers_only
        finish(embedded.up(connections.settings, typer.echo, with_worker=parts, with_daemon=parts))

    @app.command()
    def down() -> None:
        """Stop the embedded stack of this data folder.

        Example: starter.py down
        """
        finish(embedded.down(connections.settings, typer.echo))

    return app


def main() -> None:
    # What libraries log of a server that is away, the commands say themselves, in one line.
    logging.basicConfig(level=logging.CRITICAL)
    try:
        code = run_typed(build_app())
    except MakimaError as error:
        sys.stderr.write(f"makima: {one_line(error)}\n")
        code = exit_code(error)
    leave(code)


if __name__ == "__main__":
    main()
