"""What this machine's daemon says of itself, asked as a process: nothing here knows what a daemon needs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from domain.errors import Refused, SettingsError
from domain.health_report import DaemonAbout, Health, all_of, failed
from domain.leftovers import OnlyHere
from domain.remote_leftovers import RemoteFound, RemoteWanted
from runtime.shared_settings import SharedSettings
from runtime.stack_file import running_stack
from stack import programs
from stack.data_folder import DataFolder

_ENDS_WITHIN = 300.0  # seconds; a remote that doesn't answer takes a minute for each question


async def examine(settings: SharedSettings, environment: Mapping[str, str], options: Sequence[str]) -> Health | None:
    """What `python -m daemon doctor` finds, asked with these; None where this machine has no daemon's settings."""
    folder = DataFolder(settings.data_dir)
    file = environment.get("MAKIMA_DAEMON_CONFIG") or str(folder.daemon_settings)
    if not await asyncio.to_thread(Path(file).exists):
        return None
    stack = running_stack(settings.data_dir)
    forge = programs.forge_variables(folder, stack) if stack else {}
    try:
        out, error = await _ask(settings, {**environment, **forge}, file, "doctor", "--json", *options)
    except TimeoutError:
        return all_of([failed("daemon's settings", f"python -m daemon doctor took over {_ENDS_WITHIN:g} s")])
    try:
        return Health.model_validate_json(out)
    except ValidationError:
        return all_of([failed("daemon's settings", error)])


async def about(settings: SharedSettings, environment: Mapping[str, str]) -> DaemonAbout:
    """What a daemon is that starts with these; SettingsError where it would not."""
    file = programs.daemon_settings(DataFolder(settings.data_dir), environment)
    try:
        out, error = await _ask(settings, environment, str(file), "settings", "--json")
    except TimeoutError as late:
        raise SettingsError(f"python -m daemon settings took over {_ENDS_WITHIN:g} s") from late
    try:
        return DaemonAbout.model_validate_json(out)
    except ValidationError as unread:
        raise SettingsError(error) from unread


async def only_here(settings: SharedSettings, environment: Mapping[str, str]) -> OnlyHere:
    """The work that no remote has, of the daemon with these settings; SettingsError where it can't be told."""
    file = environment.get("MAKIMA_DAEMON_CONFIG") or str(DataFolder(settings.data_dir).daemon_settings)
    try:
        out, error = await _ask(settings, environment, file, "only-here", "--json")
    except TimeoutError as late:
        raise SettingsError(f"python -m daemon only-here took over {_ENDS_WITHIN:g} s") from late
    try:
        return OnlyHere.model_validate_json(out)
    except ValidationError as unread:
        raise SettingsError(error) from unread


async def on_remote(settings: SharedSettings, environment: Mapping[str, str], wanted: RemoteWanted) -> RemoteFound:
    """What this machine's daemon finds of ended directives on a remote, or removes there; SettingsError, Refused."""
    folder = DataFolder(settings.data_dir)
    file = environment.get("MAKIMA_DAEMON_CONFIG") or str(folder.daemon_settings)
    if not await asyncio.to_thread(Path(file).exists):
        raise SettingsError("this machine has no daemon, whose git is needed for that: run it where one runs")
    stack = running_stack(settings.data_dir)
    forge = programs.forge_variables(folder, stack) if stack else {}
    given = wanted.model_dump_json().encode()
    try:
        out, error = await _ask(settings, {**environment, **forge}, file, "leftovers", stdin=given)
    except TimeoutError as late:
        raise Refused(f"python -m daemon leftovers took over {_ENDS_WITHIN:g} s: try again") from late
    try:
        return RemoteFound.model_validate_json(out)
    except ValidationError as unread:
        raise Refused(error) from unread


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
