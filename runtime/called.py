"""By which name the command line was called: what it tells people to type is then what they can type."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = "makima"
"""The console script; our texts say `starter.py …`, which is the same in a checkout."""
_SAID = ("`python starter.py ", "`starter.py ")


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
