"""The one place that everything printed goes through: stdout and stderr of every process of ours.

What agents, remotes and people write may hold escape sequences. Behind `guard` none of them reaches a terminal, a pipe
or a file, whoever prints: a command, a log line, an error, a traceback.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from domain.visible import visible

PROGRAM = "makima"
"""The console script; our texts say `starter.py …`, which is the same in a checkout."""
_SAID = ("`python starter.py ", "`starter.py ")


class GuardedStream(io.TextIOBase):
    """A text stream that writes control and direction characters out (`domain.visible`). It has no `buffer`: bytes
    would pass by.
    """

    def __init__(self, unguarded: TextIO) -> None:
        self.unguarded = unguarded

    def write(self, text: str, /) -> int:
        self.unguarded.write(visible(text))
        return len(text)

    def flush(self) -> None:
        self.unguarded.flush()

    def close(self) -> None:
        """The stream is the process's; it stays open as long as that."""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.unguarded.isatty()

    def fileno(self) -> int:
        return self.unguarded.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.unguarded.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.unguarded.errors


def guard() -> None:
    """Let nothing out of this process but through a GuardedStream; the first thing that a main function does."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None or isinstance(stream, GuardedStream):  # `>&-`: nobody wanted to hear
            continue
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that is not UTF-8 is shown an escape, too, where strict would end the command.
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, GuardedStream(stream))


def unguarded() -> TextIO:
    """Where what is our own goes: colours and cursor movements of rich, and what `--raw` was typed for."""
    return sys.stdout.unguarded if isinstance(sys.stdout, GuardedStream) else sys.stdout


@contextmanager
def our_own() -> Iterator[None]:
    """For text that nobody else has a part in, such as a coloured help: stdout is unguarded as long as this lasts."""
    guarded, sys.stdout = sys.stdout, unguarded()
    try:
        yield
    finally:
        sys.stdout = guarded


def as_called(text: str) -> str:
    """`text`, with the commands in it as they are typed here."""
    if not is_installed():
        return text
    for said in _SAID:
        text = text.replace(said, f"`{PROGRAM} ")
    return text.replace("Example: starter.py ", f"Example: {PROGRAM} ")


def is_installed() -> bool:
    """Whether the console script was typed."""
    return Path(sys.argv[0]).name == PROGRAM
