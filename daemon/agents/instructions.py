"""The user's own instructions to an agent, such as ~/.claude/CLAUDE.md, where its settings say so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from daemon import agent_files
from daemon.tool_chains.credentials import holds_credentials
from daemon.tool_chains.places import MachinePlaces

LARGEST = 1024 * 1024
"""Bytes; more is no text for a model."""


@dataclass(frozen=True)
class InstructionsFile:
    """Where an agent looks for them."""

    folder: str
    """Of the user, below the home folder."""
    name: str
    variable: str = ""
    """Names the folder in the daemon's environment."""

    def copy_to(self, state: Path) -> None:
        """Lay a copy of the user's file into an agent's own folder; nothing where there is none, or where that is a
        link to a file with credentials. OSError.
        """
        places = MachinePlaces(os.environ)
        file = (places.named(self.variable) or places.home / self.folder) / self.name
        if not file.is_file() or file.stat().st_size > LARGEST:
            return
        real = file.resolve()
        status = real.stat()
        if holds_credentials(real) or (status.st_dev, status.st_ino) in places.credentials:
            return
        state.mkdir(parents=True, exist_ok=True)
        agent_files.write(state, self.name, real.read_bytes())
