"""Which stacks were started here, so that a second terminal finds the one that runs without its data folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ValidationError

from domain.errors import Refused, SettingsError
from runtime.private_file import write_private
from runtime.shared_settings import SharedSettings
from runtime.stack_file import running_stack
from runtime.terminal import as_called

MOST = 20
EXPLICIT = ("MAKIMA_DATA_DIR", "MAKIMA_DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE")
"""Who sets one of these has said where to look."""
DESTRUCTIVE = ("archive", "down", "memory-delete", "prune", "remove-step")
"""What can't be taken back is done on a stack that was found only where the operator agrees to that one."""


class _Started(BaseModel):
    folders: tuple[Path, ...] = ()
    """The latest one first."""


def note_started(data_dir: Path) -> None:
    """Remember the stack; one that can't be noted is found by its data folder alone."""
    others = (each for each in _noted() if each != data_dir and each.exists())
    started = _Started(folders=(data_dir, *others)[:MOST])
    with suppress(OSError):
        _file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(_file(), started.model_dump_json() + "\n")


def other_stacks(data_dir: Path) -> tuple[Path, ...]:
    """The folders of other stacks that were started here and are still there."""
    return tuple(each for each in _noted() if each != data_dir and each.exists())


def forget_started(data_dir: Path) -> None:
    """The stack is gone for good; with the last one goes the note."""
    others = tuple(each for each in _noted() if each != data_dir)
    with suppress(OSError):
        if others:
            write_private(_file(), _Started(folders=others).model_dump_json() + "\n")
        else:
            _file().unlink(missing_ok=True)
            _file().parent.rmdir()


def found_settings(settings: SharedSettings, environ: Mapping[str, str], command: str) -> SharedSettings:
    """The settings with the folder of the stack that was started last and runs, where they name none that does, and
    nobody has said another address. The folder is named on stderr; Refused where the command is destructive and the
    operator doesn't agree.
    """
    if command in ("up", "migrate", "clean") or any(environ.get(name) for name in EXPLICIT) or _runs(settings.data_dir):
        return settings
    found = next((each for each in _noted() if _runs(each)), None)
    if found is None:
        return settings
    _print(f"makima: the stack in {found}, which was started last (MAKIMA_DATA_DIR names another one)")
    if command in DESTRUCTIVE and not _agreed(command, found):
        raise Refused("nothing was done")
    return settings.model_copy(update={"data_dir": found})


def _agreed(command: str, found: Path) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise Refused(f"`{command}` needs to be told the stack: MAKIMA_DATA_DIR={found}")
    _print(f"{command} there? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print(line: str, end: str = "\n") -> None:
    if sys.stderr is not None:
        sys.stderr.write(as_called(line) + end)
        sys.stderr.flush()


def _runs(folder: Path) -> bool:
    try:
        return running_stack(folder) is not None
    except (SettingsError, OSError):
        return False


def _noted() -> tuple[Path, ...]:
    try:
        return _Started.model_validate_json(_file().read_bytes()).folders
    except (OSError, ValidationError):
        return ()  # a note that can't be read is worth nothing


def _file() -> Path:
    return platformdirs.user_state_path("makima", appauthor=False) / "stacks.json"
