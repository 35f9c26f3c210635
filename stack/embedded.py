"""The embedded stack as a whole: everything that Makima needs, on one machine, from one data folder."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from signal import SIGINT, SIGTERM
from typing import TypeVar
from urllib.parse import urlsplit

from domain.errors import SettingsError, StackFailed
from domain.statuses import SandboxKind
from runtime import chores
from runtime.shared_settings import SharedSettings
from runtime.stack_file import ProcessMark, StackFile, remove_stack_file, write_stack_file
from runtime.started_stacks import note_started
from stack import local_daemon, programs
from stack.data_folder import DataFolder, Service
from stack.forge_server import ForgeServer
from stack.postgres import PostgresServer
from stack.restarting import NEXT, Reported, until_reported
from stack.supervisor import EndedEarly, Report, Supervisor
from stack.temporal import TemporalServer

_Server = TypeVar("_Server")

_PORT_TRIES = 3
_STOPPED_WITHIN = 150.0  # seconds; more than all children's graces together


@asynccontextmanager
async def embedded_stack(
    settings: SharedSettings,
    *,
    report: Report,
    environment: Mapping[str, str],
    with_worker: bool = True,
    with_daemon: bool = True,
) -> AsyncIterator[StackFile]:
    """Run the stack on the settings' data folder; yields its addresses once the servers answer.

    Postgres is left out where the settings name a database. `report` is told when a child dies; `environment` is what
    worker and daemon inherit. Raises Refused while another stack runs on the folder, StackFailed when a server can't
    be started. On the way out all children are stopped in reverse order.
    """
    folder = DataFolder(settings.data_dir)
    folder.prepare()
    async with AsyncExitStack() as exits:
        lock = await exits.enter_async_context(folder.locked())
        supervisor = Supervisor(folder.logs, lock, report)
        exits.push_async_callback(supervisor.stop)
        stack = await _start_servers(supervisor, folder, settings)
        exits.callback(remove_stack_file, folder.path)
        write_stack_file(folder.path, stack)
        note_started(folder.path)
        if with_worker:
            await supervisor.start(programs.worker(folder, stack, settings.owner, environment))
        if with_daemon:
            await supervisor.start(programs.daemon(folder, stack, settings.owner, environment))
        yield stack


async def up(
    settings: SharedSettings,
    echo: Report,
    *,
    report: Report | None = None,
    beside: Callable[[], Awaitable[None]] | None = None,
    reported: Reported | None = None,
    with_worker: bool = True,
    with_daemon: bool = True,
) -> int:
    """Run the stack in the foreground until SIGINT or SIGTERM; gives the exit code.

    `echo` is told the addresses, and when the daemon has `reported`; `report` (default: a line on stderr) each child
    that died; `beside` is awaited while the stack runs, and cancelled before it stops.
    """
    parts = {"with_worker": with_worker, "with_daemon": with_daemon}
    serving = asyncio.create_task(_serve(settings, echo, report or _on_stderr, beside, reported, **parts))
    with _on_stop_signal(serving.cancel), suppress(asyncio.CancelledError):
        await serving
    return 0


async def down(settings: SharedSettings, echo: Report) -> int:
    """Stop the stack of the data folder and wait until all its processes have ended; gives the exit code.

    Raises StackFailed when they don't.
    """
    folder = DataFolder(settings.data_dir)
    if await folder.wait_until_unlocked(0):
        echo(f"no stack is running in {folder.path}")
        return 0
    holder = folder.holder()
    if holder is not None and holder.is_alive():
        with suppress(ProcessLookupError):
            os.kill(holder.pid, SIGTERM)
    if not await folder.wait_until_unlocked(_STOPPED_WITHIN):
        raise StackFailed(f"the stack in {folder.path} has not ended within {_STOPPED_WITHIN:g} s: see {folder.logs}")
    echo(f"stopped the stack in {folder.path}")
    return 0


async def _serve(
    settings: SharedSettings,
    echo: Report,
    report: Report,
    beside: Callable[[], Awaitable[None]] | None,
    reported: Reported | None,
    *,
    with_worker: bool,
    with_daemon: bool,
) -> None:
    if os.environ.get("TEMPORAL_ADDRESS"):
        report("makima: TEMPORAL_ADDRESS is set: the other commands will use that server, not this stack")
    stack = embedded_stack(
        settings, report=report, environment=os.environ, with_worker=with_worker, with_daemon=with_daemon
    )
    async with stack as addresses:
        database = _without_password(addresses.database_url)
        echo(f"Temporal     {addresses.temporal_address}")
        echo(f"Web UI       {addresses.web_ui_url}")
        echo(f"Postgres     {database}")
        echo(f"Forge        {addresses.forge_url}")
        echo(f"Data folder  {settings.data_dir}")
        async with chores.beside(*([_report_daemon(settings, echo, report, reported)] if with_daemon else [])):
            if beside:
                await beside()
            await asyncio.Event().wait()


async def _report_daemon(settings: SharedSettings, echo: Report, report: Report, reported: Reported | None) -> None:
    """Its sandbox, and that it is ready, once it is; why it doesn't start the supervisor tells."""
    began = time.monotonic()
    try:
        about = await local_daemon.about(settings, os.environ)
    except SettingsError as error:
        report(f"makima: the daemon can't start: {error}")
        return
    # Each time: who starts a stack in which agents see the whole machine has to know it.
    if about.sandbox != SandboxKind.BUBBLEWRAP:
        echo(f"Sandbox      {about.sandbox}")
    if reported:
        try:
            await until_reported(reported, about.name, began)
        except StackFailed as error:
            report(f"makima: {error}")
        else:
            echo(f"Ready        {about.serves}; next: {NEXT}")


async def _start_servers(supervisor: Supervisor, folder: DataFolder, settings: SharedSettings) -> StackFile:
    if settings.database_url is None:
        database_url = await start_postgres(supervisor, folder)
    else:
        database_url = settings.database_url.get_secret_value()
    temporal = await _start_temporal(supervisor, folder)
    forge = await _start_forge(supervisor, folder)
    return StackFile(
        temporal_address=temporal.address,
        web_ui_url=temporal.web_ui_url,
        database_url=database_url,
        forge_url=forge.url,
        up=ProcessMark.of_this_process(),
    )


async def start_postgres(supervisor: Supervisor, folder: DataFolder) -> str:
    """Start the folder's Postgres, for whoever holds its lock; its address, with the password. StackFailed."""

    async def start() -> PostgresServer:
        server = PostgresServer(folder.postgres, folder.postgres_password, folder.choose_port(Service.POSTGRES))
        await server.prepare()
        await supervisor.start(await server.child())
        return server

    server = await _trying_other_ports(start)
    await server.create_database()
    return server.url()


async def _start_temporal(supervisor: Supervisor, folder: DataFolder) -> TemporalServer:
    async def start() -> TemporalServer:
        port, web_ui_port = folder.choose_port(Service.TEMPORAL), folder.choose_port(Service.WEB_UI)
        server = TemporalServer(folder.temporal_database, port, web_ui_port, folder.path)
        server.prepare()
        await supervisor.start(server.child())
        return server

    server = await _trying_other_ports(start)
    server.note_complete()
    return server


async def _start_forge(supervisor: Supervisor, folder: DataFolder) -> ForgeServer:
    async def start() -> ForgeServer:
        server = ForgeServer(folder.forge, folder.choose_port(Service.FORGE))
        await supervisor.start(server.child())
        return server

    return await _trying_other_ports(start)


async def _trying_other_ports(start: Callable[[], Awaitable[_Server]]) -> _Server:
    # A stranger may take a port between our look at it and the server's own; then the server ends at once.
    for _ in range(_PORT_TRIES - 1):
        with suppress(EndedEarly):
            return await start()
    return await start()


@contextmanager
def _on_stop_signal(stop: Callable[[], object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop_once() -> None:
        # A second Ctrl-C must not interrupt the stopping: that would leave the children to die by themselves.
        for each in (SIGINT, SIGTERM):
            loop.add_signal_handler(each, lambda: None)
        stop()

    for each in (SIGINT, SIGTERM):
        loop.add_signal_handler(each, stop_once)
    try:
        yield
    finally:
        for each in (SIGINT, SIGTERM):
            loop.remove_signal_handler(each)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()


def _on_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
