"""What the forge was asked and has answered, a line each, for a test that holds it to GitHub's own description."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel

KEPT_HEADERS = ("content-type", "link", "location", "etag", "x-next-page")


class Exchange(BaseModel):
    """One request of the API with its answer; credentials are in neither."""

    method: str
    path: str
    query: str
    user_agent: str
    request: str
    status: int
    headers: dict[str, str]
    """Those of the answer that say what it is."""
    answer: str
    failure: str = ""
    """The kind of the failure that it met by order; empty: none."""


class Recorder:
    """Appends to a file, each exchange once: it survives the process, which tests kill."""

    def __init__(self, file: Path | None) -> None:
        """None: nothing is kept."""
        self._file = file
        self._known: set[bytes] = set()

    def note(self, exchange: Exchange) -> None:
        if self._file is None:
            return
        line = exchange.model_dump_json().encode() + b"\n"
        if (digest := hashlib.sha256(line).digest()) not in self._known:
            self._known.add(digest)
            with self._file.open("ab") as file:
                file.write(line)
