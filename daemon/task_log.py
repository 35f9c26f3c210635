"""An attempt's log: whole on this machine, and on its way to the record in chunks (SPEC 6.11, DESIGN 4)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from daemon.ports import Core
from domain.errors import NotReachable
from domain.record import LogChunk
from domain.spawn_task import SpawnTask

CHUNK_BYTES = 128 * 1024
SEND_EVERY = 2.0
"""Seconds between two chunks of a log that grows slowly."""
LAST_CHUNKS_WITHIN = 10.0
"""Seconds that the end of a task waits for its last chunks; the whole log stays on this machine."""
RETRY_AFTER = 2.0

logger = logging.getLogger(__name__)


class TaskLog:
    """The agent never waits for its log: `append` writes to a file, and the sender reads from there."""

    def __init__(self, file: Path, command: SpawnTask, delivery: str, core: Core) -> None:
        self._file = file
        self._command = command
        self._delivery = delivery
        self._core = core
        self._writing = file.open("ab")
        self._sent = 0
        self._wanted = asyncio.Event()
        self.last_line = ""

    def append(self, text: str) -> None:
        """Add a piece of output."""
        self._writing.write(text.encode(errors="replace"))
        self._writing.flush()
        if line := text.strip():
            self.last_line = line.splitlines()[-1][:200]
        if self._writing.tell() - self._sent >= CHUNK_BYTES:
            self._wanted.set()

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send chunks while the body runs, and what is left at its end."""
        sender = asyncio.create_task(self._send_for_ever())
        try:
            yield
        finally:
            sender.cancel()
            await asyncio.wait({sender})
            self._writing.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_CHUNKS_WITHIN):
                    await self._send_all()

    async def _send_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), SEND_EVERY)
            self._wanted.clear()
            await self._send_all()

    async def _send_all(self) -> None:
        """One chunk in flight a task, each tried until the core has it."""
        while chunk := await asyncio.to_thread(self._next_chunk):
            await self._send(chunk)
            self._sent = chunk.offset + len(chunk.text.encode())

    async def _send(self, chunk: LogChunk) -> None:
        while True:
            try:
                return await self._core.append_log(chunk)
            except NotReachable as error:
                logger.warning("a log chunk of task %s did not arrive: %s", chunk.task, error)
                await asyncio.sleep(RETRY_AFTER)

    def _next_chunk(self) -> LogChunk | None:
        with self._file.open("rb") as reading:
            reading.seek(self._sent)
            data = reading.read(CHUNK_BYTES)
        text = data.decode(errors="ignore") if data else ""
        if not text:
            return None
        return LogChunk(
            directive=self._command.directive,
            task=self._command.task,
            attempt=self._command.attempt,
            delivery=self._delivery,
            offset=self._sent,
            text=text,
        )
