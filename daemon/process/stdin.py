"""The writing end of a program's stdin, for as long as the program may ask something."""

from __future__ import annotations

import asyncio
import os


class Voice:
    """What is said before `open` or after `close` is lost on nobody: it is kept, or dropped without an error."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._unsaid: list[bytes] = []
        self._is_closed = False

    async def open(self) -> int:
        """The reading end, for the program; the caller closes its own copy."""
        reading, writing = os.pipe()
        pipe = os.fdopen(writing, "wb", buffering=0)
        self._transport, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, pipe)
        for words in self._unsaid:
            self._transport.write(words)
        if self._is_closed:
            self._transport.close()
        return reading

    def say(self, words: bytes) -> None:
        """Write; never blocks, and a program that is gone hears nothing."""
        if self._transport is None:
            self._unsaid.append(words)
        elif not self._transport.is_closing():
            self._transport.write(words)

    def close(self) -> None:
        """Nothing more is said: the program reads the end of its stdin."""
        self._is_closed = True
        if self._transport:
            self._transport.close()
