"""The folder that one delivery of a task has beside its worktree: the `makima` command, a HOME, prompt and log."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TaskFolder:
    """Where things are in it; `path` is absolute."""

    path: Path

    @property
    def bin(self) -> Path:
        """First on the agent's PATH."""
        return self.path / "bin"

    @property
    def makima(self) -> Path:
        """The command by which the agent talks to its task (rule 3.1)."""
        return self.bin / "makima"

    @property
    def home(self) -> Path:
        """The agent's own HOME (rule 6.6)."""
        return self.path / "home"

    @property
    def prompt(self) -> Path:
        return self.path / "prompt.md"

    @property
    def script(self) -> Path:
        """The task plan, where the agent is `shell`."""
        return self.path / "task.sh"

    @property
    def tmp(self) -> Path:
        """What stands at /tmp inside of a sandbox. Beside the folder: a link in its place, made in one sandbox, would
        be what the next one shows as /tmp.
        """
        return self.path.parent / "tmp"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"


def make_task_folder(path: Path) -> TaskFolder:
    """The folder at `path`, made with its `makima` command and HOME, for nobody but this user.

    What is in it already stays. OSError where it can't be made.
    """
    folder = TaskFolder(path.absolute())
    folder.path.mkdir(parents=True, exist_ok=True)
    # Not by mkdir's mode, which leaves an existing folder as it is.
    folder.path.chmod(0o700)
    folder.home.mkdir(exist_ok=True)
    folder.bin.mkdir(exist_ok=True)
    folder.tmp.mkdir(exist_ok=True)
    # A sandbox shows these read-only: were one missing, an agent could put a link there, and the next one would follow.
    for file in (folder.prompt, folder.script):
        file.touch(mode=0o600)
    # -I: neither the worktree nor the agent's environment can put another `cli` before ours.
    folder.makima.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -m cli.agent "$@"\n')
    folder.makima.chmod(0o700)
    return folder
