"""`<data folder>/stack.json`: how other processes of this machine find the embedded stack that runs on this folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import SettingsError
from runtime.private_file import write_private

FILE_NAME = "stack.json"
# The start time is computed from the boot time, which a clock adjustment moves a little between two readers.
_CLOCK_TOLERANCE = 5.0


class ProcessMark(BaseModel):
    """One process, told apart from a later one that was given the same pid."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started_at: float  # seconds since the epoch, by the boot time

    @classmethod
    def of_this_process(cls) -> ProcessMark:
        """Name the calling process."""
        started_at = _started_at(os.getpid())
        assert started_at is not None
        return cls(pid=os.getpid(), started_at=started_at)

    def is_alive(self) -> bool:
        """Say whether this very process still runs; a zombie doesn't."""
        started_at = _started_at(self.pid)
        return started_at is not None and abs(started_at - self.started_at) < _CLOCK_TOLERANCE


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


def _started_at(pid: int) -> float | None:
    """When a process has started, in seconds since the epoch; None where it has ended, a zombie too."""
    if sys.platform != "linux":
        return _asked_of_psutil(pid)
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *numbers = told[told.rindex(b")") + 2 :].split()  # what stands before is its name, whatever that holds
    booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return None if state in b"ZX" else int(booted.split()[1]) + int(numbers[18]) / os.sysconf("SC_CLK_TCK")


def _asked_of_psutil(pid: int) -> float | None:
    # It takes a twentieth of a command to import: everywhere but on Linux.
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
