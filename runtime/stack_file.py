"""`<data folder>/stack.json`: how other processes of this machine find the embedded stack that runs on this folder."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import SettingsError
from runtime.private_file import write_private

FILE_NAME = "stack.json"
# psutil computes the start time from the boot time, which a clock adjustment moves a little between two readers.
_CLOCK_TOLERANCE = 5.0


class ProcessMark(BaseModel):
    """One process, told apart from a later one that was given the same pid."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started_at: float  # seconds since the epoch, as psutil reports it

    @classmethod
    def of_this_process(cls) -> ProcessMark:
        """Name the calling process."""
        return cls(pid=os.getpid(), started_at=psutil.Process().create_time())

    def is_alive(self) -> bool:
        """Say whether this very process still runs; a zombie doesn't."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(process.create_time() - self.started_at) < _CLOCK_TOLERANCE
        except psutil.NoSuchProcess:
            return False


class StackFile(BaseModel):
    """The addresses of a running embedded stack."""

    model_config = ConfigDict(frozen=True)

    temporal_address: str  # host:port
    temporal_namespace: str = "default"
    web_ui_url: str  # without a slash at the end
    database_url: str  # holds the password: the file has mode 0600
    forge_url: str = ""  # without a slash at the end; empty in the file of a stack that had no forge
    up: ProcessMark  # the process that watches the stack; the addresses hold while it is alive


def write_stack_file(data_dir: Path, stack: StackFile) -> None:
    """Publish the addresses of the stack that runs on this folder."""
    write_private(data_dir / FILE_NAME, stack.model_dump_json(indent=2) + "\n")


def remove_stack_file(data_dir: Path) -> None:
    """Withdraw the addresses; nothing happens where there are none."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def running_stack(data_dir: Path) -> StackFile | None:
    """Read the addresses of the stack that runs on this folder, None where none runs (a crash leaves a stale file).

    Raises SettingsError for a file that can't be read.
    """
    path = data_dir / FILE_NAME
    try:
        stack = StackFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise SettingsError(f"{path} can't be read: stop the stack and remove this file") from error
    return stack if stack.up.is_alive() else None
