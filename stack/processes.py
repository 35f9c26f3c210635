"""The one place of the stack that starts processes."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals

import psutil

from domain.errors import StackFailed

_LOG_LIMIT = 10 * 1024 * 1024  # bytes; a longer log is put aside at the next start
_END_READ = 64 * 1024  # bytes
_LINE_SHOWN = 1000  # characters
_LAUNCH = Path(__file__).with_name("launch.py")


async def _is_alive(pid: int) -> bool:
    """Ready as soon as it is started: for a child that answers nobody."""
    return psutil.pid_exists(pid)


@dataclass(frozen=True)
class Child:
    """A process that the stack keeps alive."""

    name: str  # of its log file and in messages
    command: tuple[str, ...]
    environment: Mapping[str, str]  # the whole of it
    folder: Path  # its working directory
    prefix: tuple[str, ...] = ()  # a command that runs `command` in other circumstances (unshare)
    umask: int = -1  # -1: the stack's own
    is_ready: Callable[[int], Awaitable[bool]] = _is_alive  # given the pid; asked until it says yes
    stop_signal: Signals = SIGTERM  # also sent by the kernel when the stack is killed
    grace: float = 15.0  # seconds between `stop_signal` and SIGKILL


async def start(child: Child, log: Path, lock: int) -> Process:
    """Start the child in a session of its own, so that Ctrl-C in the terminal reaches only the stack.

    Its output is appended to `log`; it holds the descriptor `lock` open for as long as it lives. Linux sends the death
    signal when the *thread* that started the child ends: call this from the main one.
    """
    _put_aside(log)
    launch = (sys.executable, "-I", "-S", str(_LAUNCH), str(int(child.stop_signal)), str(os.getpid()))
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *child.prefix,
            *launch,
            *child.command,
            env=dict(child.environment),
            cwd=child.folder,
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            start_new_session=True,
            umask=child.umask,
            pass_fds=(lock,),
        )


async def run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command to its end; raises StackFailed with its exit code and the last line that it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(environment), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:  # cancelled: nothing of the stack outlives it
            process.kill()
            await process.wait()
    if process.returncode:
        text = last_line(output.decode(errors="replace"))
        raise StackFailed(f"{Path(command[0]).name} ended with exit code {process.returncode}: {text}")


def listens_on(pid: int, port: int) -> bool:
    """Say whether this very process listens on the port: an answer alone might be a stranger's."""
    try:
        connections = psutil.Process(pid).net_connections("tcp4")
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True  # we may not look; then the answer itself has to do
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)


def last_line(text: str) -> str:
    """Give the last line that holds anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LINE_SHOWN] if lines else "it wrote nothing"


def size_of(log: Path) -> int:
    """Where the next line will begin."""
    return log.stat().st_size if log.exists() else 0


def end_of(log: Path, begin: int) -> str:
    """Give the last line that holds anything of what was written from `begin` on."""
    size = size_of(log)
    begin = 0 if begin > size else begin  # it was put aside
    with log.open("rb") as opened:
        opened.seek(max(size - _END_READ, begin))
        return last_line(opened.read().decode(errors="replace"))


def _put_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
