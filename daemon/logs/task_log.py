"""An attempt's log: whole on this machine, without secrets, and on its way to the record (rule 6.11, design 4)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

from daemon.core.reporting import Core
from daemon.logs.log_sender import NOTE, LogBacklog, LogSender, Way
from daemon.logs.masking import MaskedStream, Masker
from domain.spawn_task import SpawnTask
from runtime.chores import beside

LAST_CHUNKS_WITHIN = 10.0
"""Seconds that the end of a task waits for its last chunks; the backlog sends what is left then."""
LINE_LIMIT = 200

logger = logging.getLogger(__name__)


class TaskLog:
    """The agent never waits for its log: `append` writes to a file, and the sender reads from there."""

    def __init__(
        self,
        file: Path,
        command: SpawnTask,
        delivery: str,
        core: Core,
        masker: Masker | None = None,
        backlog: LogBacklog | None = None,
    ) -> None:
        """`file` is `task/log.txt` of the delivery's folder. Without a backlog the next daemon sends what is left."""
        self._stream = MaskedStream(masker or Masker())
        self._backlog = backlog
        self._writing = file.open("a+b", buffering=0)
        self._size = 0
        way = Way(directive=command.directive, task=command.task, attempt=command.attempt, delivery=delivery)
        self._sender = LogSender(file, file.parent.parent / NOTE, way, core)
        self.last_line = ""

    def append(self, text: str) -> None:
        """Add a piece of output; what it may share a secret with is written once the rest of it has come."""
        self._write(self._stream.take(text))

    def add_line(self, line: str) -> None:
        """Add a line of the daemon's own."""
        self._write(self._stream.rest())
        self.append(f"[makima] {line}\n")

    @property
    def size(self) -> int:
        """Bytes so far, which is where what comes next begins."""
        self._write(self._stream.rest())
        return self._size

    def tail(self, limit: int, since: int = 0) -> str:
        """The last `limit` bytes of what was appended, as far as they stand behind the byte `since`."""
        size = self.size
        start = max(since, size - limit, 0)
        return os.pread(self._writing.fileno(), size - start, start).decode(errors="ignore")

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send chunks while the body runs, and what is left at its end."""
        try:
            async with beside(self._sender.send_live()):
                yield
        finally:
            self._write(self._stream.rest())
            self._writing.close()
            await self._send_rest()

    async def _send_rest(self) -> None:
        with contextlib.ExitStack() as closing:
            closing.callback(self._sender.close)
            try:
                async with asyncio.timeout(LAST_CHUNKS_WITHIN):
                    await self._sender.send_rest()
            except TimeoutError:
                if self._backlog:
                    closing.pop_all()
                    self._backlog.add(self._sender)

    def _write(self, text: str) -> None:
        if not text:
            return
        self._sender.marks.note(self._size)
        # Postgres holds no NUL, and a chunk must have as many bytes there as here.
        self._size += self._writing.write(text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace"))
        if line := text.strip():
            self.last_line = line.rsplit("\n", 1)[-1].strip()[:LINE_LIMIT]
        self._sender.grown_to(self._size)
