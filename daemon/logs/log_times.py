"""When the bytes of a log were written, in a file beside it: a mark for every second in which something was."""

from __future__ import annotations

import os
import struct
import time
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path

from daemon.logs.log_window import Piece
from domain.daemon_messages import LATEST, MAX_TIMES

MARKS = "log-times"
"""Beside the task's folder, where no agent in a sandbox can reach it."""
_MARK = struct.Struct(">QQ")

LogTimes = tuple[tuple[int, int], ...]
"""Pairs, by place: a byte of a log, and the second of the epoch from which on what begins there was written."""


class Marks:
    """Those of one log. Where they can't be kept or read, it goes without: no log is ever lost for them."""

    def __init__(self, file: Path) -> None:
        self._file = -1
        self._latest = 0
        with suppress(OSError):
            self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def note(self, place: int) -> None:
        """What begins at `place` is written now."""
        now = int(time.time())
        if now != self._latest:
            self._latest = now
            with suppress(OSError):
                os.write(self._file, _MARK.pack(place, now))

    def of(self, piece: Piece) -> LogTimes:
        """Those that tell when the piece was written; of very many only some."""
        try:
            number = os.fstat(self._file).st_size // _MARK.size
            first = max(bisect_right(range(number), piece.start, key=lambda at: self._at(at)[0]) - 1, 0)
            last = bisect_right(range(number), piece.end - 1, key=lambda at: self._at(at)[0])
            every = (last - first) // MAX_TIMES + 1
            marks = [self._at(at) for at in range(first, last, every)]
        except (OSError, struct.error):
            return ()
        return tuple((max(place, piece.start), min(at, LATEST)) for place, at in marks)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def _at(self, number: int) -> tuple[int, int]:
        place, at = _MARK.unpack(os.pread(self._file, _MARK.size, number * _MARK.size))
        return place, at
