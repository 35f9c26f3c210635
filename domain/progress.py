"""What a delivery's heartbeats say (rule 6.11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from domain.tolerant import Tolerant
from domain.usage import NOTHING, Usage


class Progress(Tolerant):
    """What a heartbeat says; at most 1 KiB in all (rule 6.11)."""

    daemon: str
    delivery: str
    phase: str
    last_line: str = ""
    held_up: str = ""
    """Why what it does outside of this machine has failed, and is tried again; empty: nothing is."""
    again: datetime | None = Field(default=None, exclude_if=lambda at: at is None)
    """When it is tried again."""
    usage: Usage = Field(default=NOTHING, exclude_if=NOTHING.__eq__)
    """Of the attempt so far, over all its deliveries: the next one, on whichever machine, goes on from that."""


def used_by(heartbeat: Sequence[Any]) -> Usage:
    """What the attempt had used by the details of a delivery's last heartbeat, whoever has written them."""
    try:
        return Progress.model_validate(heartbeat[0]).usage if heartbeat else Usage()
    except ValidationError:
        return Usage()
