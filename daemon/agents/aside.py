"""What a program writes into files of its own, beside what it prints."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_READ_BYTES = 16 * 1024 * 1024


@dataclass
class Aside:
    """The new lines with `mark` in all files of `folder`, at any depth, that match `pattern`: those that were written
    after it was made. To be used from one thread at a time; reads files.
    """

    folder: Path
    pattern: str
    mark: bytes
    _read: dict[Path, int] = field(default_factory=dict)
    """How far each file was read, in bytes: up to the end of a line."""

    def __post_init__(self) -> None:
        for file in self._files():
            with suppress(OSError):
                self._read[file] = file.stat().st_size

    def lines(self) -> list[str]:
        """What has come since the last call; a file that can't be read is silent."""
        return [line for file in self._files() for line in self._lines(file)]

    def _files(self) -> list[Path]:
        return sorted(self.folder.rglob(self.pattern))

    def _lines(self, file: Path) -> list[str]:
        begin, new = self._read.get(file, 0), b""
        with suppress(OSError), file.open("rb") as opened:
            opened.seek(begin)
            new = opened.read(_READ_BYTES)
        end = new.rfind(b"\n") + 1
        # A longer line than is read at once is none of those that are looked for.
        self._read[file] = begin + (end or (len(new) if len(new) == _READ_BYTES else 0))
        return [line.decode(errors="replace") for line in new[:end].splitlines() if self.mark in line]
