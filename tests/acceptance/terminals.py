"""A command of starter.py on a terminal, as a person has it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from typing import Self

from rich.text import Text

from tests.acceptance.stack import STARTER, Site, environment

COLUMNS, ROWS = 80, 40
CLEARED = "\x1b[2K"


class Terminal:
    """A command of starter.py on a terminal of 80 columns; what it has written so far."""

    def __init__(self, site: Site, *args: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        env = environment(MAKIMA_DATA_DIR=site.servers.data, MAKIMA_OWNER=site.owner, TERM="xterm-256color")
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            env.pop(name, None)
        self.popen = subprocess.Popen(
            [*STARTER, *args], env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.wait()
        self._reader.join()
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._ours, 65536)
            except OSError:  # the other end is closed: this is how a terminal says so
                return
            self._written += read

    def types(self, text: str) -> None:
        """As a person does."""
        os.write(self._ours, text.encode())

    @property
    def text(self) -> str:
        return self._written.decode(errors="ignore").replace("\r", "")

    @property
    def frames(self) -> list[str]:
        """What stood on the terminal at each moment, without colours; the last one is what was left."""
        return [Text.from_ansi(frame).plain for frame in self.text.split(CLEARED) if frame.strip()]

    def wait(self) -> int:
        code = self.popen.wait(300)
        self._reader.join()
        return code
