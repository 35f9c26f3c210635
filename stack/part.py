"""What the command line has to know of `restart` before anything else of the stack is imported."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """What may be restarted by itself."""

    DAEMON = "daemon"
    WORKER = "worker"
