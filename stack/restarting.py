"""One of the stack's own programs is ended, and its stack starts it again with its settings as they are now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM

import psutil

from domain.errors import NotReachable, SettingsError, StackFailed
from domain.health_report import DaemonAbout
from runtime.shared_settings import SharedSettings
from stack import local_daemon
from stack.data_folder import DataFolder
from stack.part import Part
from stack.supervisor import Report

_WITHIN = 150.0  # seconds: a daemon saves the work of its agents first; then the supervisor's delay
_ASK_EVERY = 0.2  # seconds

NEXT = "`python starter.py start --title … --goal … --repo …`, or `python starter.py watch`"
"""What is typed once a daemon is ready."""

Reported = Callable[[str, timedelta], Awaitable[bool]]
"""Whether the daemon of this name has reported within so long."""


async def restart(settings: SharedSettings, part: Part, echo: Report, reported: Reported) -> int:
    """End a part as SIGTERM does, and wait until the stack has started it again, a daemon until it has `reported`;
    gives the exit code.

    Raises NotReachable where no stack with such a part runs on the data folder, StackFailed when it takes too long, and
    SettingsError, with the daemon as it was, where it would not start with its settings as they are now.
    """
    up = _up(DataFolder(settings.data_dir))
    before = _find(up, part)
    if before is None:
        raise NotReachable(
            f"the stack in {settings.data_dir} runs no {part} at this moment: see `python starter.py up`"
        )
    about = await _about(settings, before) if part is Part.DAEMON else None
    before.send_signal(SIGTERM)
    await _until(lambda: not before.is_running() or before.status() == psutil.STATUS_ZOMBIE, part, "ended")
    ended = time.monotonic()
    await _until(lambda: _find(up, part) is not None, part, "been started again")
    if about:
        await until_reported(reported, about.name, ended)
    echo(f"restarted the {part}" + (f": ready, {about.serves}; next: {NEXT}" if about else ""))
    return 0


async def until_reported(reported: Reported, daemon: str, since: float) -> None:
    """Wait until the record has heard of the daemon `since` (of the monotonic clock); StackFailed."""
    late = time.monotonic() + _WITHIN
    while not await reported(daemon, timedelta(seconds=time.monotonic() - since)):
        if time.monotonic() > late:
            raise StackFailed(f"daemon {daemon} has not reported within {_WITHIN:g} s: see what `up` says of it")
        await asyncio.sleep(_ASK_EVERY)


async def _about(settings: SharedSettings, running: psutil.Process) -> DaemonAbout:
    """What the daemon will be, read with the variables of the one that runs."""
    try:
        return await local_daemon.about(settings, running.environ())
    except SettingsError as error:
        raise SettingsError(f"{error}; the daemon was not restarted, it goes on as it was") from error


def _up(folder: DataFolder) -> psutil.Process:
    holder = folder.holder()
    if holder is None or not holder.is_alive():
        raise NotReachable(f"no stack is running in {folder.path}: start one with `python starter.py up`")
    return psutil.Process(holder.pid)


def _find(up: psutil.Process, part: Part) -> psutil.Process | None:
    return next((child for child in up.children() if _is(child, part)), None)


def _is(child: psutil.Process, part: Part) -> bool:
    try:
        command = child.cmdline()
    except psutil.Error:  # it ends at this moment
        return False
    if part is Part.DAEMON:
        return command[-2:] == ["-m", "daemon"]
    return Path(command[-1]).name == "worker.py" if command else False


async def _until(reached: Callable[[], bool], part: Part, what: str) -> None:
    late = time.monotonic() + _WITHIN
    while not await asyncio.to_thread(_holds, reached):
        if time.monotonic() > late:
            raise StackFailed(f"the {part} has not {what} within {_WITHIN:g} s: see the stack's logs")
        await asyncio.sleep(_ASK_EVERY)


def _holds(reached: Callable[[], bool]) -> bool:
    try:
        return reached()
    except psutil.NoSuchProcess:  # it has ended between two questions
        return True
