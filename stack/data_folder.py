"""The data folder: what a stack keeps between its runs, and the lock that only one stack holds."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path

from pydantic import RootModel, ValidationError

from domain.errors import Refused, StackFailed
from domain.file_locks import refusal
from runtime.private_file import write_private
from runtime.stack_file import ProcessMark

_EARLIER_CHILDREN_END_WITHIN = 90.0  # seconds
_ASK_EVERY = 0.05  # seconds


class Service(StrEnum):
    """What listens on a port of its own."""

    TEMPORAL = "temporal"
    WEB_UI = "web_ui"
    POSTGRES = "postgres"
    FORGE = "forge"


_PREFERRED = {Service.TEMPORAL: 7233, Service.WEB_UI: 8233, Service.POSTGRES: 5433, Service.FORGE: 8234}


class _Ports(RootModel[dict[Service, int]]):
    """`ports.json`: the ports of the last run, so that an address that somebody wrote down stays true."""


class DataFolder:
    """The layout of one data folder; two folders are two stacks that know nothing of each other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporal_database = path / "temporal.db"
        self.postgres = path / "postgres"
        self.postgres_password = path / "postgres.password"
        self.forge = path / "forge"
        self.forge_token = self.forge / "token"
        self.daemon_settings = path / "daemon.toml"
        self.daemons = path / "daemon"
        self.logs = path / "logs"
        self.ports = path / "ports.json"
        self.mark = path / "up.lock"
        self.being_removed = path / "clean.json"

    def prepare(self) -> None:
        """Create what is missing, readable by its owner alone; a folder that exists keeps its mode."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            begun = self.being_removed.exists()
        except OSError as error:
            raise StackFailed(
                f"{self.path} can't be used ({error.strerror}): set MAKIMA_DATA_DIR to another folder"
            ) from error
        if begun:
            raise Refused(f"`starter.py clean` has begun to remove {self.path}: let it finish, and start again then")

    def choose_port(self, service: Service) -> int:
        """Give the kept port, else the preferred, else any free one, and keep it.

        It was free a moment ago; another process may still take it before the service does.
        """
        kept = self._kept_ports()
        others = {port for each, port in kept.items() if each is not service}
        wanted = (kept.get(service), _PREFERRED[service])
        port = next((each for each in wanted if each and each not in others and _is_free(each)), None) or _any_free()
        write_private(self.ports, _Ports({**kept, service: port}).model_dump_json() + "\n")
        return port

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[int]:
        """Hold the folder for one stack; yields the descriptor that the stack's children inherit.

        The lock is the kernel's (flock) and lasts until this process and the last child that inherited it have ended,
        so it is never stale, and whoever has it knows that nothing of an earlier stack still runs: the children of a
        killed one are waited for. Raises Refused while another stack runs, StackFailed when those children don't end.
        """
        descriptor = os.open(self.mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await self._take(descriptor)
            mark = ProcessMark.of_this_process().model_dump_json().encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, mark, 0)
            yield descriptor
        finally:
            os.close(descriptor)

    def holder(self) -> ProcessMark | None:
        """Name the process that took the lock last; it runs a stack only while it is alive."""
        try:
            return ProcessMark.model_validate_json(self.mark.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    async def wait_until_unlocked(self, timeout: float) -> bool:
        """Wait until no process of a stack runs on this folder; False when that takes longer than `timeout` seconds."""
        if not self.mark.exists():
            return True
        descriptor = os.open(self.mark, os.O_RDWR | os.O_CLOEXEC)
        try:
            deadline = time.monotonic() + timeout
            while not _try_lock(descriptor, fcntl.LOCK_SH, self.path):
                if time.monotonic() > deadline:
                    return False
                await asyncio.sleep(_ASK_EVERY)
            return True
        finally:
            os.close(descriptor)

    async def _take(self, descriptor: int) -> None:
        deadline = time.monotonic() + _EARLIER_CHILDREN_END_WITHIN
        while not _try_lock(descriptor, fcntl.LOCK_EX, self.path):
            holder = self.holder()
            if holder is not None and holder.is_alive():
                raise Refused(
                    f"a stack is already running in {self.path} (pid {holder.pid}): "
                    "stop it with `python starter.py down`, or set MAKIMA_DATA_DIR to another folder"
                )
            if time.monotonic() > deadline:
                raise StackFailed(f"processes of an earlier stack still run in {self.path}: end them and try again")
            await asyncio.sleep(_ASK_EVERY)

    def _kept_ports(self) -> dict[Service, int]:
        try:
            return _Ports.model_validate_json(self.ports.read_bytes()).root
        except (FileNotFoundError, ValidationError):
            return {}  # nothing is lost with it: other ports are chosen


@contextmanager
def held(lock: Path, refusal: str) -> Iterator[None]:
    """Hold a lock file that is there, which its own process would hold; Refused with these words where one does."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not _try_lock(descriptor, fcntl.LOCK_EX, lock.parent):
            raise Refused(refusal)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int, folder: Path) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise refusal(folder, error) from error
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do it: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
