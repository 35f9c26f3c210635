"""The daemon's side of the door: it is opened for a delivery, heard, and ended with it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from io import FileIO
from pathlib import Path

from pydantic import ValidationError

from daemon.network import door, waiting_door
from daemon.network.door import ConnectionReport, DoorEvent
from daemon.network.rules import rule_for
from daemon.network.upstream import proxy_environment
from daemon.process.run import run
from daemon.sandbox.certificates import CERTIFICATES
from daemon.sandbox.doorway import Doorway
from domain.errors import ProcessTimedOut

FOR_EVER = 365 * 24 * 3600.0
"""Seconds: it ends with its delivery."""
BACKLOG = 16
READ_WITHIN = 2.0
"""Seconds for what a door has reported before it ended."""

Log = Callable[[str], None]


@asynccontextmanager
async def opened(doorway: Doorway | None, log: Log, environ: Mapping[str, str]) -> AsyncIterator[None]:
    """While the body runs, the door is open; None: there is none. `log` takes what the task's log should tell.

    Nobody waits for its process: what a sandbox hands over before it has started lies in the socket. `environ`, the
    daemon's, names the machine's own proxy. OSError where no socket can be made.
    """
    if doorway is None:
        yield
        return
    with _listening(doorway.socket) as listening, _pipe() as (lifeline, _), _pipe() as (reading, writing):
        descriptors = (listening.fileno(), lifeline.fileno(), writing.fileno())
        process = asyncio.create_task(_run(doorway, descriptors, environ, log))
        # Else what comes after its end would wait in the socket for ever.
        process.add_done_callback(lambda _: listening.close())
        reader_task = asyncio.create_task(_read_events(reading, log))
        try:
            yield
        finally:
            process.cancel()
            await asyncio.wait({process})
            # The last writing end: the door's own went with it.
            writing.close()
            await asyncio.wait({reader_task}, timeout=READ_WITHIN)
            reader_task.cancel()
            await asyncio.wait({reader_task})


async def _run(doorway: Doorway, descriptors: tuple[int, ...], environ: Mapping[str, str], log: Log) -> None:
    argv = (sys.executable, "-I", "-S", waiting_door.__file__, door.__name__, *map(str, descriptors))
    passed = {name: environ[name] for name in ("PATH", *CERTIFICATES) if name in environ}
    try:
        ended = await run(
            argv,
            cwd=doorway.socket.parent,
            env={**passed, **proxy_environment(environ)},
            stdin=doorway.policy.model_dump_json().encode(),
            timeout=FOR_EVER,
            pass_fds=descriptors,
        )
    except (OSError, ProcessTimedOut) as error:
        log(f"network: the door can't be opened: {error}")
    else:
        log(f"network: the door has ended, what runs now has no network: {ended}")


async def _read_events(events: FileIO, log: Log) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), events)
    try:
        while line := await reader.readline():
            try:
                log(f"network: {_log_line(DoorEvent.model_validate_json(line))}")
            except ValidationError:
                log("network: the door said what can't be understood")
    finally:
        transport.close()


def _log_line(event: DoorEvent) -> str:
    target = rule_for(event.host, event.port)
    match event.kind:
        case ConnectionReport.REACHED:
            return f"to {target}"
        case ConnectionReport.REFUSED:
            allow = f"; {event.setting} in the daemon's settings would allow it" if event.setting else ""
            return f"refused {target}: {event.why}{allow}"
    return f"further names that were {event.why} are not shown"


@contextmanager
def _listening(at: Path) -> Iterator[socket.socket]:
    """A unix socket at a path of any length: an address of the kernel's holds 107 bytes."""
    at.unlink(missing_ok=True)
    folder = os.open(at.parent, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(f"/proc/self/fd/{folder}/{at.name}")
            listening.listen(BACKLOG)
            yield listening
    finally:
        os.close(folder)
        at.unlink(missing_ok=True)


@contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Its reading and its writing end; as files, which may be closed twice."""
    reading, writing = os.pipe()
    with FileIO(reading, "rb") as readable, FileIO(writing, "wb") as writable:
        yield readable, writable
