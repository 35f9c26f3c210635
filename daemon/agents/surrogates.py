"""Lines of JSON that hold half a character: programs in JavaScript cut text anywhere; pure."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_REPLACEMENT = "\\ufffd"


def without_halves(line: str) -> str:
    """`line` with each escaped half of a surrogate pair replaced, which no reader of JSON takes."""
    return _ESCAPES.sub(lambda found: _REPLACEMENT if found["half"] else found[0], line)
