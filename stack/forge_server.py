"""The fake forge as a child of the stack."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from domain.errors import StackFailed
from stack.processes import Child, listens_on

_PACKAGES = ("graphql", "jinja2", "markdown_it", "starlette", "uvicorn")
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
        """Describe its process; it inherits nothing of the user's, as git and its repositories are its own.

        StackFailed where the Python packages that it needs are not installed.
        """
        if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
            raise StackFailed(f"the Python package {missing[0]} is missing: install makima-directives[stack]")
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
