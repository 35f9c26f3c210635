"""A program to start, its stdin while it runs, and how it ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True)
class AgentCommand:
    """How to start a program: nothing in it is interpreted by a shell."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    """Set for it."""
    pass_env: tuple[str, ...] = ()
    """Names in the daemon's environment that it may see."""
    writes: tuple[Path, ...] = ()
    """Folders of this machine that it changes beside its task's: a sandbox lets it."""
    talks: bool = False
    """Its stdin stays open behind `stdin`, for the answers to what it asks."""


class EndedBy(StrEnum):
    EXIT = "exit"
    TIME_LIMIT = "time limit"
    NO_OUTPUT = "no output"
    STOPPED = "stopped"
    MEMORY = "memory"
    LINGERED = "lingered"
    """It had said that it was done, and did not end."""


@dataclass(frozen=True)
class ProcessEnd:
    """How a process and its whole tree ended."""

    exit_code: int
    """128 + n where signal n ended it."""
    ended_by: EndedBy
    tail: str
    """The last 4,096 characters of its output."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.ended_by is EndedBy.EXIT and self.exit_code == 0


class StdinPipe:
    """The writing end of a stdin: what is written before `open` is kept; after `close` it is dropped, not an error."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._pending: list[bytes] = []
        self._is_closed = False

    async def open(self) -> int:
        """The reading end, for the program; the caller closes its own copy."""
        reading, writing = os.pipe()
        pipe = os.fdopen(writing, "wb", buffering=0)
        self._transport, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, pipe)
        for data in self._pending:
            self._transport.write(data)
        if self._is_closed:
            self._transport.close()
        return reading

    def write(self, data: bytes) -> None:
        """Never blocks; a program that is gone reads nothing."""
        if self._transport is None:
            self._pending.append(data)
        elif not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Nothing more is written: the program reads the end of its stdin."""
        self._is_closed = True
        if self._transport:
            self._transport.close()
