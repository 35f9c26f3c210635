"""What a daemon that starts has to know of the deliveries that its predecessor left on disk: a file beside each."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from daemon import agent_files
from domain.spawn_task import CommandContext, SpawnTask

FILE = "delivery.json"
"""Beside the worktree and the task folder, where no sandbox shows it. Its time is when the work last was alive."""


_LARGEST = 1024 * 1024


class DeliveryNote(BaseModel):
    """One delivery on this machine."""

    model_config = ConfigDict(frozen=True)

    command: SpawnTask
    """Without its long texts."""
    delivery: str
    began: str = ""
    """The commit at which its agent began; empty: none has."""
    merging: str = ""
    """The commit whose merge had stopped at a conflict then; empty: none had."""
    is_over: bool = False
    """It ended by itself, with its work saved: whatever lies here is kept on purpose."""
    succeeded: bool = False
    head: str = ""
    """The commit that its outcome was made of; empty: there was no work."""
    is_seen: bool = False
    """The remote was seen to hold it (SPEC 6.12)."""


def write_note(folder: Path, note: DeliveryNote, at: int | None = None) -> None:
    """Keep the note in the delivery's folder; whole or not at all. `at` is its time, if the work isn't alive now."""
    short = note.command.model_copy(update={"prompt": "", "script": "", "context": CommandContext()})
    fresh = folder / f"{FILE}.new"
    fresh.write_text(note.model_copy(update={"command": short}).model_dump_json())
    if at is not None:
        os.utime(fresh, (at, at))
    fresh.replace(folder / FILE)


def read_note(folder: Path) -> DeliveryNote | None:
    """The note; None where a machine that died while it was written, or an older version, left none."""
    try:
        return DeliveryNote.model_validate_json(agent_files.read(folder, FILE, _LARGEST))
    except (OSError, ValidationError):
        return None


def mark_alive(folder: Path) -> None:
    """The work lives at this moment."""
    os.utime(folder / FILE)


def last_alive(folder: Path) -> int:
    """When it was last known to, in seconds of the epoch."""
    return int((folder / FILE).stat().st_mtime)


def noted_folders(tasks: Path) -> list[Path]:
    """The folders of all deliveries that this machine knows."""
    return sorted(note.parent for note in tasks.glob(f"*/{FILE}"))
