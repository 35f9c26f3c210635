"""Servers that all workers of a test run share: whoever needs one first starts it, and it ends with the run.

    address = this_run().server(Kind.POSTGRES)

A server is the child of a process of its own, `python -m tests.run_servers`, since the worker that started it may end
before the others do. It watches the process of the run, so that nothing is left of a run that was killed.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from signal import SIGTERM

import psutil
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from runtime.private_file import write_private
from stack.data_folder import DataFolder
from stack.forge_server import ForgeServer
from stack.postgres import PostgresServer
from stack.processes import Child, listens_on
from stack.supervisor import EndedEarly, Supervisor
from stack.temporal import SEARCH_ATTRIBUTES, TUNING, find_binary
from tests.processes import has_ended

ROOT = Path(__file__).parents[1]
FOLDER, PID = "MAKIMA_TEST_RUN", "MAKIMA_TEST_RUN_PID"
EXCHANGES = "exchanges"
"""In the forge's folder: every call of its API, with its answer."""
WORKERS = 32
"""As many of them have namespaces at the Temporal server."""
_READY_WITHIN = 90.0  # seconds
_LOOK_EVERY = 0.3  # seconds
_PORT_TRIES = 3


class Kind(StrEnum):
    """The servers of a run."""

    TEMPORAL = "temporal"
    POSTGRES = "postgres"
    FORGE = "forge"


@dataclass(frozen=True)
class Address:
    """Where a server of the run answers."""

    url: str
    """Of Postgres with its superuser's password; of Temporal host:port; of the forge without a slash at its end."""
    pid: int
    """Of the process that runs it."""
    web_ui: str = ""
    """Temporal's."""
    folder: str = ""
    """The forge's, which holds its token."""


@dataclass(frozen=True)
class Run:
    """One run of pytest, in the process that was called and in each of its workers."""

    folder: Path
    pid: int
    """Of the process that was called."""

    def server(self, kind: Kind) -> Address:
        """Give its address once it answers; the first one to ask starts it. RuntimeError with its log if it can't."""
        with _alone(self.folder / f"{kind}.lock"):
            return self._known(kind) or self._start(kind)

    def end(self) -> None:
        """End all servers, and remove what they have written."""
        running = [psutil.Process(known.pid) for kind in Kind if (known := self._known(kind)) and _is_there(known.pid)]
        for process in running:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(SIGTERM)
        _, left = psutil.wait_procs(running, timeout=20)
        for process in left:
            process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _known(self, kind: Kind) -> Address | None:
        try:
            return Address(**json.loads((self.folder / f"{kind}.json").read_text()))
        except FileNotFoundError:
            return None

    def _start(self, kind: Kind) -> Address:
        with (self.folder / f"{kind}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.run_servers", kind, str(self.folder), str(self.pid)],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        _started.append(process)
        deadline = time.monotonic() + _READY_WITHIN
        while not (address := self._known(kind)):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"no {kind} for this run: {Path(log.name).read_text()}")
            time.sleep(0.05)
        return address


_started: list[subprocess.Popen[bytes]] = []
"""Kept: Popen complains of a process that outlives it."""


def begin_run() -> Run:
    """Of the process that was called; its workers find it in their environment."""
    run = Run(Path(tempfile.mkdtemp(prefix="makima-run-")), os.getpid())
    os.environ[FOLDER], os.environ[PID] = str(run.folder), str(run.pid)
    return run


def this_run() -> Run:
    """The run that this process belongs to."""
    return Run(Path(os.environ[FOLDER]), int(os.environ[PID]))


def worker_name() -> str:
    """`gw3`; `gw0` where pytest runs without workers."""
    return os.environ.get("PYTEST_XDIST_WORKER", "gw0")


def free_port() -> int:
    """Any one: the preferred one would be taken by all processes of a test run that start at the same moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _is_there(pid: int) -> bool:
    return not has_ended(pid)


@asynccontextmanager
async def _supervisor(folder: DataFolder) -> AsyncIterator[Supervisor]:
    folder.prepare()
    async with folder.locked() as lock:
        supervisor = Supervisor(folder.logs, lock, lambda line: sys.stderr.write(f"{line}\n"))
        try:
            yield supervisor
        finally:
            await supervisor.stop()


@asynccontextmanager
async def _postgres(path: Path) -> AsyncIterator[Address]:
    # No test asks what survives a power cut; without fsync a database is dropped in 0.06 s in place of 0.6 s.
    settings = ("fsync=off", "max_connections=400")
    folder = DataFolder(path)
    async with _supervisor(folder) as supervisor:

        async def start() -> Address:
            server = PostgresServer(folder.postgres, folder.postgres_password, free_port(), settings)
            await server.prepare()
            await supervisor.start(await server.child())
            return Address(server.url("postgres"), os.getpid())

        yield await _trying_other_ports(start)


@asynccontextmanager
async def _temporal(path: Path) -> AsyncIterator[Address]:
    """In memory, tuned as the embedded stack's."""
    folder = DataFolder(path)
    async with _supervisor(folder) as supervisor:

        async def start() -> Address:
            port, web_ui = free_port(), free_port()
            await supervisor.start(_temporal_child(path, port, web_ui))
            return Address(f"127.0.0.1:{port}", os.getpid(), web_ui=f"http://127.0.0.1:{web_ui}")

        yield await _trying_other_ports(start)


def _temporal_child(folder: Path, port: int, web_ui: int) -> Child:
    names = [each for number in range(WORKERS) for each in (f"gw{number}", f"gw{number}-site")]

    async def answers(pid: int) -> bool:
        return listens_on(pid, port) and listens_on(pid, web_ui) and await _serves(f"127.0.0.1:{port}", names[-1])

    return Child(
        name="temporal",
        command=(
            *(find_binary(), "server", "start-dev", "--log-level", "warn", "--ip", "127.0.0.1"),
            *("--port", str(port), "--ui-port", str(web_ui), "--ui-disable-news-fetch", *TUNING),
            *(f"--namespace={name}" for name in names),
            *(f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()),
        ),
        environment={"PATH": os.defpath, "HOME": str(folder)},
        folder=folder,
        is_ready=answers,
    )


async def _serves(address: str, namespace: str) -> bool:
    """A server that listens may still answer that it is not healthy yet, or not know its namespaces."""
    within = timedelta(seconds=10)
    try:
        client = await asyncio.wait_for(Client.connect(address), within.total_seconds())
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace), timeout=within)
    except (RuntimeError, RPCError, TimeoutError):  # the SDK raises RuntimeError where it can't connect
        return False
    return True


@asynccontextmanager
async def _forge(path: Path) -> AsyncIterator[Address]:
    folder = DataFolder(path)
    async with _supervisor(folder) as supervisor:

        async def start() -> Address:
            server = ForgeServer(folder.forge, free_port())
            child = server.child()
            await supervisor.start(replace(child, command=(*child.command, "--record", str(folder.forge / EXCHANGES))))
            return Address(server.url, os.getpid(), folder=str(folder.forge))

        yield await _trying_other_ports(start)


async def _trying_other_ports(start: Callable[[], Awaitable[Address]]) -> Address:
    # A port that was free may be another process's a moment later; then the server ends at once.
    for _ in range(_PORT_TRIES - 1):
        with suppress(EndedEarly):
            return await start()
    return await start()


SERVERS: dict[Kind, Callable[[Path], AbstractAsyncContextManager[Address]]] = {
    Kind.TEMPORAL: _temporal,
    Kind.POSTGRES: _postgres,
    Kind.FORGE: _forge,
}


async def _serve(kind: Kind, folder: Path, run: int) -> None:
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(SIGTERM, ending.set)
    called = psutil.Process(run)
    async with AsyncExitStack() as exits:
        address = await exits.enter_async_context(SERVERS[kind](folder / kind))
        write_private(folder / f"{kind}.json", json.dumps(asdict(address)))
        while not ending.is_set() and not has_ended(called):
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), _LOOK_EVERY)


def main(kind: str, folder: str, run: str) -> None:
    """Serve until SIGTERM, or the end of the run; Ctrl-C in the run's terminal is the run's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(Kind(kind), Path(folder), int(run)))
    if not psutil.pid_exists(int(run)):  # it was killed, and nobody else will
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
