"""Files that are named on the command line."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

from domain.errors import Refused

STDIN = Path("-")


def read_given(option: str, file: Path, most: int) -> str:
    """The text of a file that was named, of at most so many bytes; `-` is the standard input."""
    try:
        with nullcontext(sys.stdin.buffer) if file == STDIN else file.open("rb") as opened:
            text = opened.read(most + 1)
    except OSError as error:
        raise Refused(f"{option} {file}: {error.strerror}") from error
    if len(text) > most:
        raise Refused(f"{option} {file}: more than {most // 1024} KiB")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{option} {file}: not UTF-8 text (byte {error.start})") from error
