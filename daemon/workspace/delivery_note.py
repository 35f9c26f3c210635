"""What a daemon that starts has to know of the deliveries that its predecessor left on disk: a file beside each."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon import agent_files
from daemon.core.attempt_key import AttemptKey
from domain.directive_secret import NO_SECRET
from domain.spawn_task import CommandContext, SpawnTask
from runtime.private_file import write_private

FILE = "delivery.json"
"""Beside the worktree and the task folder, where no sandbox shows it. Its time is when the work last was alive."""


_LARGEST = 1024 * 1024


class DeliveryNote(BaseModel):
    """One delivery on this machine."""

    model_config = ConfigDict(frozen=True)

    command: SpawnTask
    """Without its long texts, and without the directive's secret."""
    attempt_key: str = Field(default="", repr=False)
    """What this attempt's state is written with, and no other's; empty: the attempt has no secret."""
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
    """The remote was seen to hold it (rule 6.12)."""

    @property
    def key(self) -> AttemptKey | None:
        return AttemptKey.from_text(self.attempt_key) or AttemptKey.of(self.command)


def write_note(folder: Path, note: DeliveryNote, at: int | None = None) -> None:
    """Keep the note in the delivery's folder; whole or not at all. `at` is its time, if the work isn't alive now."""
    left_out = {"prompt": "", "script": "", "context": CommandContext(), "secret": NO_SECRET}
    kept = {"command": note.command.model_copy(update=left_out), "attempt_key": note.key.to_text() if note.key else ""}
    write_private(folder / FILE, note.model_copy(update=kept).model_dump_json(), modified=at, synced=False)


def read_note(folder: Path) -> DeliveryNote | None:
    """The note; None where a machine that died while it was written, or an older version, left none."""
    try:
        return DeliveryNote.model_validate_json(agent_files.read(folder, FILE, _LARGEST))
    except (OSError, ValidationError):
        return None


def mark_alive(folder: Path) -> None:
    """The work lives at this moment."""
    os.utime(folder / FILE)


def mark_over(folder: Path) -> None:
    """The work has ended; the rest of what is noted stays. It is kept on purpose from now on."""
    if note := read_note(folder):
        write_note(folder, note.model_copy(update={"is_over": True}))


def last_alive(folder: Path) -> int:
    """When it was last known to, in seconds of the epoch; 0 where it has just been removed."""
    try:
        return int((folder / FILE).stat().st_mtime)
    except FileNotFoundError:
        return 0


def noted_folders(tasks: Path) -> list[Path]:
    """The folders of all deliveries that this machine knows."""
    return sorted(note.parent for note in tasks.glob(f"*/{FILE}"))
