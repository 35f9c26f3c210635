"""Composition root 3: the operator's command line, with the embedded stack's own commands."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from errno import ENOSPC
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cli.operator.app import add_operator_commands, arrange
from cli.operator.command_group import Json
from domain.errors import MakimaError, NotReachable, RecordError
from runtime.command_line import CommandLine, run_typed
from runtime.exit import READER_GONE, leave, print_error, run
from runtime.private_memory import keep_memory_private
from runtime.terminal import as_called, guard
from stack.part import Part
from steering.connect import Connections

# What follows takes a second to import, and each command needs little of it: see the functions.
if TYPE_CHECKING:
    from runtime.shared_settings import SharedSettings

STACK_COMMANDS = ("up", "down", "restart", "migrate")
"""Those that are not the operator's."""


async def print_notices(connections: Connections, echo: Callable[[str], object]) -> None:
    """Print what people should know of, for ever; a record that is away is asked again."""
    import asyncio

    from ledger.outbox import follow
    from ledger.pool import open_pool
    from runtime.addresses import find_database_url
    from runtime.chores import repeat

    async def until_trouble() -> None:
        async with await open_pool(find_database_url(connections.settings), size=1) as pool:
            async for notice in follow(pool, connections.owner):
                try:
                    echo(as_called(f"{datetime.now():%H:%M}  {notice.kind}: {notice.text}"))
                except BrokenPipeError:  # nobody reads any more, as with a demo that is kept: the stack goes on
                    await asyncio.Event().wait()

    await repeat(until_trouble, timedelta(seconds=5))


async def has_reported(connections: Connections, daemon: str, within: timedelta) -> bool:
    """Whether the record has heard of the daemon within so long; not while there is no record yet."""
    try:
        async with connections.record() as record:
            seen = await record.daemons(connections.owner)
    except (NotReachable, RecordError):
        return False
    return any(each.name == daemon and each.silent_for < within for each in seen)


async def bring_up_to_date(
    settings: SharedSettings, worker_role: str | None, reader_role: str | None, *, as_json: bool
) -> int:
    """Migrate, and give the roles what they need; the exit code."""
    from ledger.migrate import migrate
    from ledger.pool import open_pool
    from ledger.roles import let_read, let_write
    from runtime.addresses import find_database_url

    async with await open_pool(find_database_url(settings), size=1) as pool:
        applied = await migrate(pool)
        if worker_role:
            await let_write(pool, worker_role)
        if reader_role:
            await let_read(pool, reader_role)
    said = f"applied: {', '.join(applied) or 'nothing, the tables are up to date'}"
    typer.echo(json.dumps({"applied": applied}) if as_json else said)
    return 0


def finish(command: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command to its end and leave with its exit code."""
    leave(run(lambda: _while_read(command)))


async def _while_read(command: Coroutine[Any, Any, int]) -> int:
    try:
        return await command
    except BrokenPipeError:  # `| head` has read enough: nothing is wrong, and nobody is left to be told
        return READER_GONE
    except OSError as error:
        raise _full(error) from error


def _full(error: OSError) -> Exception:
    """What to say where the disk that stdout goes to is full; any other error is a defect, and stays what it is."""
    return MakimaError("the output can't be written: the disk is full") if error.errno == ENOSPC else error


def print_line(line: str) -> None:
    """One line of the stack's own commands."""
    typer.echo(as_called(line))


def print_version(wanted: bool) -> None:
    """Leave with it, where it is wanted."""
    if wanted:
        from domain.version import VERSION

        typer.echo(f"makima {VERSION}")
        raise typer.Exit


def build_app(typed: str = "") -> typer.Typer:
    """The command line: what works on directives from cli, what works on the stack from here.

    Where `typed` is the name of a command, what it doesn't need may be left out.
    """
    app = CommandLine(help="Durable goals for coding agents.")

    @app.callback()
    def about(
        _: Annotated[
            bool, typer.Option("--version", help="Print it and leave.", is_eager=True, callback=print_version)
        ] = False,
    ) -> None: ...

    connections = Connections(typed)
    if typed not in STACK_COMMANDS:
        add_operator_commands(app, connections, finish, typed=typed)

    @app.command()
    def up(
        servers_only: Annotated[bool, typer.Option("--servers-only", help="Neither worker nor daemon.")] = False,
    ) -> None:
        """Run the embedded stack in the foreground until Ctrl-C: Temporal, Postgres, a forge, a worker, a daemon.

        Example: starter.py up
        """
        from stack import embedded

        parts = not servers_only
        telling = partial(print_notices, connections, typer.echo)
        reported = partial(has_reported, connections)
        up = partial(embedded.up, connections.settings, print_line, beside=telling, reported=reported)
        finish(up(with_worker=parts, with_daemon=parts))

    @app.command("migrate")
    def migrate_record(
        worker_role: Annotated[str | None, typer.Option(help="A role of Postgres that may then run worker.py.")] = None,
        reader_role: Annotated[str | None, typer.Option(help="One that may then run starter.py.")] = None,
        as_json: Json = False,
    ) -> None:
        """Bring the record's tables up to date, as the role that owns them (worker.py does so itself where it may).

        Example: starter.py migrate --worker-role makima_worker --reader-role makima_reader
        """
        finish(bring_up_to_date(connections.settings, worker_role, reader_role, as_json=as_json))

    @app.command()
    def down() -> None:
        """Stop the embedded stack of this data folder.

        Example: starter.py down
        """
        from stack import embedded

        finish(embedded.down(connections.settings, typer.echo))

    @app.command("restart")
    def restart_part(
        part: Annotated[Part, typer.Argument(help="What reads its settings anew.")] = Part.DAEMON,
    ) -> None:
        """Restart the daemon (or the worker) of the stack: its work is saved, its settings are read anew.

        Example: starter.py restart daemon
        """
        from stack.restarting import restart

        finish(restart(connections.settings, part, print_line, partial(has_reported, connections)))

    arrange(app)
    return app


def main() -> None:
    keep_memory_private()
    guard()
    # What libraries log of a server that is away, the commands say themselves, in one line.
    logging.basicConfig(level=logging.CRITICAL)
    try:
        code = run_typed(build_app(sys.argv[1] if len(sys.argv) > 1 else ""))
    except MakimaError as error:
        code = print_error(error)
    except OSError as error:  # of the help
        code = print_error(_full(error))
    leave(code)


def makima() -> None:
    """The console script: the operator's command line, and inside a task the agents' own."""
    from domain.names import TASK_FOLDER

    if os.environ.get(TASK_FOLDER):
        from cli.agent.__main__ import main as of_agents

        of_agents()
    else:
        main()


if __name__ == "__main__":
    main()
