"""What a program writes into files of its own, beside what it prints."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from daemon import agent_files

_READ_BYTES = 16 * 1024 * 1024
_NAMES = 20_000
"""That are looked at, of the folder's and those below it: it is the program's own, which may put any number there."""
_DEPTH = 8


@dataclass
class FileTail:
    """The new lines with `mark` in the files of `folder`, some folders deep, that match `pattern`: those that were
    written after it was made. To be used from one thread at a time; reads files.
    """

    folder: Path
    pattern: str
    mark: bytes
    _read: dict[str, int] = field(default_factory=dict)
    """How far each file was read, in bytes: up to the end of a line."""

    def __post_init__(self) -> None:
        for file in self._files():
            with suppress(OSError), agent_files.opened(self.folder, file) as found:
                self._read[file] = os.fstat(found.fileno()).st_size

    def lines(self) -> list[str]:
        """What has come since the last call; a file that can't be read is silent."""
        return [line for file in self._files() for line in self._lines(file)]

    def _files(self) -> list[str]:
        return agent_files.matching(self.folder, self.pattern, most=_NAMES, depth=_DEPTH)

    def _lines(self, file: str) -> list[str]:
        begin, new = self._read.get(file, 0), b""
        with suppress(OSError), agent_files.opened(self.folder, file) as found:
            found.seek(begin)
            new = found.read(_READ_BYTES)
        end = new.rfind(b"\n") + 1
        # A longer line than is read at once is none of those that are looked for.
        self._read[file] = begin + (end or (len(new) if len(new) == _READ_BYTES else 0))
        return [line.decode(errors="replace") for line in new[:end].splitlines() if self.mark in line]
