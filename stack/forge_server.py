"""The fake forge as a child of the stack."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from stack.processes import Child, listens_on

_LONGEST_SOCKET_PATH = 107  # bytes; Linux takes no more


@dataclass(frozen=True)
class ForgeServer:
    """One forge on one folder, which holds all of its state."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Give its address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_file(self) -> Path:
        """Name the file with the token that may do everything."""
        return self.folder / "token"

    def child(self) -> Child:
        """Describe its process; it inherits nothing of the user's, as git and its repositories are its own."""
        socket = self.folder / "gh.sock"
        listening = ("--unix-socket", str(socket)) if len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH else ()
        return Child(
            name="forge",
            command=(
                *(sys.executable, "-m", "fakes.forge", "--data", str(self.folder), "--port", str(self.port)),
                *listening,
            ),
            environment={
                "PATH": os.environ.get("PATH", os.defpath),  # where git is
                "PYTHONUNBUFFERED": "1",
                "PYTHONSAFEPATH": "1",
            },
            folder=self.folder.parent,
            umask=0o077,  # its repositories are as private as the data folder
            is_ready=self._listens,
        )

    async def _listens(self, pid: int) -> bool:
        return listens_on(pid, self.port)
