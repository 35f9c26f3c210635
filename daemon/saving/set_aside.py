"""Folders of deliveries whose work could not be saved when a daemon started: no later start tries it again (rule 6.7).

A person looks at them: `doctor` lists them, `restore` lays out what can be read.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from daemon import agent_files

FILE = "rescue.json"
TRIES = 2
"""How often a daemon may have ended in the middle before the folder counts as what ended it."""
_LARGEST = 64 * 1024


class Rescuing(BaseModel):
    """How far the rescue of one folder has come; beside the worktree, where no sandbox shows it."""

    model_config = ConfigDict(frozen=True)

    tries: int = 0
    reason: str = ""
    """Why it is set aside; empty: it isn't."""


def rescuing(folder: Path) -> Rescuing:
    try:
        return Rescuing.model_validate_json(agent_files.read(folder, FILE, _LARGEST))
    except (OSError, ValidationError):
        return Rescuing()


def begin_rescue(folder: Path) -> str:
    """Note that one begins; why it must not, where the folder is set aside, or now is."""
    known = rescuing(folder)
    if not known.reason and known.tries >= TRIES:
        set_aside(folder, f"the daemon has ended {TRIES} times while it was saving this")
        return rescuing(folder).reason
    if not known.reason:
        _write(folder, known.model_copy(update={"tries": known.tries + 1}))
    return known.reason


def end_rescue(folder: Path) -> None:
    """It has ended, for this time."""
    (folder / FILE).unlink(missing_ok=True)


def set_aside(folder: Path, reason: str) -> None:
    _write(folder, Rescuing(reason=reason))


def all_set_aside(tasks: Path) -> dict[Path, str]:
    """Folder → why its work could not be saved."""
    found = {file.parent: rescuing(file.parent).reason for file in sorted(tasks.glob(f"*/{FILE}"))}
    return {folder: reason for folder, reason in found.items() if reason}


def _write(folder: Path, known: Rescuing) -> None:
    agent_files.write(folder, FILE, known.model_dump_json().encode())
