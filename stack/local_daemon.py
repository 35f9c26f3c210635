"""What this machine's daemon says of itself, asked as a process: nothing here knows what a daemon needs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from domain.errors import SettingsError
from domain.health_report import DaemonAbout, Health, all_of, failed
from domain.leftovers import OnlyHere
from domain.remote_leftovers import RemoteFound, RemoteWanted
from runtime.shared_settings import SharedSettings
from runtime.stack_file import running_stack
from stack import programs
from stack.data_folder import DataFolder

Answered = TypeVar("Answered", bound=BaseModel)

_ENDS_WITHIN = 300.0  # seconds; a remote that doesn't answer takes a minute for each question


async def examine(settings: SharedSettings, environment: Mapping[str, str], options: Sequence[str]) -> Health | None:
    """What `python -m daemon doctor` finds, asked with these; None where this machine has no daemon's settings."""
    file = _own_settings(settings, environment)
    if not await asyncio.to_thread(file.exists):
        return None
    asked = {**environment, **_forge_variables(settings)}
    try:
        return await _told(Health, settings, asked, file, "doctor", "--json", *options)
    except SettingsError as error:
        return all_of([failed("daemon's settings", str(error))])


async def about(settings: SharedSettings, environment: Mapping[str, str]) -> DaemonAbout:
    """What a daemon is that starts with these; SettingsError where it would not."""
    file = programs.daemon_settings(DataFolder(settings.data_dir), environment)
    return await _told(DaemonAbout, settings, environment, file, "settings", "--json")


async def only_here(settings: SharedSettings, environment: Mapping[str, str]) -> OnlyHere:
    """The work that no remote has, of the daemon with these settings; SettingsError where it can't be told."""
    file = _own_settings(settings, environment)
    return await _told(OnlyHere, settings, environment, file, "only-here", "--json")


async def on_remote(settings: SharedSettings, environment: Mapping[str, str], wanted: RemoteWanted) -> RemoteFound:
    """What this machine's daemon finds of ended directives on a remote, or removes there; SettingsError."""
    file = _own_settings(settings, environment)
    if not await asyncio.to_thread(file.exists):
        raise SettingsError("this machine has no daemon, whose git is needed for that: run it where one runs")
    asked, given = {**environment, **_forge_variables(settings)}, wanted.model_dump_json().encode()
    return await _told(RemoteFound, settings, asked, file, "leftovers", stdin=given)


def _own_settings(settings: SharedSettings, environment: Mapping[str, str]) -> Path:
    return Path(environment.get("MAKIMA_DAEMON_CONFIG") or DataFolder(settings.data_dir).daemon_settings)


def _forge_variables(settings: SharedSettings) -> Mapping[str, str]:
    """Of the stack that runs on the same data folder."""
    stack = running_stack(settings.data_dir)
    return programs.forge_variables(DataFolder(settings.data_dir), stack) if stack else {}


async def _told(
    model: type[Answered],
    settings: SharedSettings,
    environment: Mapping[str, str],
    file: Path,
    *command: str,
    stdin: bytes = b"",
) -> Answered:
    """What a command of the daemon prints, as `model`; SettingsError with its own line where it prints no such thing,
    or is late.
    """
    try:
        out, error = await _ask(settings, environment, str(file), *command, stdin=stdin)
    except TimeoutError as late:
        raise SettingsError(f"python -m daemon {command[0]} took over {_ENDS_WITHIN:g} s: try again") from late
    try:
        return model.model_validate_json(out)
    except ValidationError as unread:
        raise SettingsError(error) from unread


async def _ask(
    settings: SharedSettings, environment: Mapping[str, str], file: str, *command: str, stdin: bytes = b""
) -> tuple[bytes, str]:
    """What a command of the daemon prints, and what went wrong; TimeoutError."""
    own = {"MAKIMA_DAEMON_CONFIG": file, "MAKIMA_DATA_DIR": str(settings.data_dir), "PYTHONSAFEPATH": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "daemon", *command),
        env={**environment, **own},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_ENDS_WITHIN):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out, os.fsdecode(err).strip().removeprefix("makima: ") or f"exit code {process.returncode}"
