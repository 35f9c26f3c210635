"""Text that an agent pipes into one of its commands."""

from __future__ import annotations

import sys

from domain.errors import Refused

LONGEST = 4 * 1024 * 1024
"""Bytes; what each command takes of them is its own to say."""


def read_text() -> str:
    """All of stdin; Refused for what isn't UTF-8, and for more than 4 MiB."""
    content = sys.stdin.buffer.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise Refused(f"stdin has more than {LONGEST // 1024 // 1024} MiB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"stdin is not UTF-8 text (byte {error.start})") from error
