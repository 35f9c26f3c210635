"""The way of an attempt's log to the record, in chunks (design 4); what can't go now gathers on this machine's disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from daemon import agent_files
from daemon.core.reporting import Core
from daemon.logs.log_times import MARKS, Marks
from daemon.logs.log_window import CHUNK_BYTES, ArrivedPieces, Piece
from domain.daemon_messages import LogChunk
from domain.errors import NotReachable
from domain.value import Value
from runtime.chores import one_turn
from runtime.private_file import write_private

SEND_EVERY = 2.0
"""Seconds between two chunks of a log that grows slowly, or that has used up its rate."""
RETRY_AFTER = 2.0
NOTE = "log-sent.json"
"""Beside the task's folder, where no agent in a sandbox can reach it."""
_LONGEST_CHARACTER = 4
_LARGEST_NOTE = 16 * 1024 * 1024

logger = logging.getLogger(__name__)


class Way(Value):
    """Whose a log is and how far it has come: kept on disk, so that the next daemon goes on from there."""

    directive: UUID
    task: UUID
    attempt: int
    delivery: str
    sent: ArrivedPieces = ArrivedPieces()
    under_way: Piece | None = None
    """Sent, and nobody knows if it has arrived: it goes again as it was, for a chunk is known by where it starts."""


class LogSender:
    """Sends one log; one chunk is in flight at a time."""

    def __init__(self, log: Path, note: Path, way: Way, core: Core) -> None:
        """`note` holds the way until all has arrived. OSError where `log` is no plain file."""
        # An agent that isn't in a sandbox could put a link or a pipe in place of its log.
        self._log = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(self._log).st_mode):
            os.close(self._log)
            raise OSError(f"{log} is not a plain file")
        self.marks = Marks(note.with_name(MARKS))
        self._note = note
        self._way = way
        self._core = core
        self._enough = asyncio.Event()
        write_private(note, way.model_dump_json(), synced=False)

    def grown_to(self, size: int) -> None:
        """Say how many bytes there are: what makes a chunk is sent at once."""
        if size - self._way.sent.reached >= CHUNK_BYTES:
            self._enough.set()

    async def send_live(self) -> None:
        """Send what comes, for ever: after 2 s, or as soon as there is a chunk."""
        while True:
            if self._way.sent.slow:
                await asyncio.sleep(SEND_EVERY)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._enough.wait(), SEND_EVERY)
            self._enough.clear()
            await one_turn(self._send_waiting)

    async def _send_waiting(self) -> None:
        while piece := self._way.sent.next_live(self._size):
            await self._send(piece)
            if self._way.sent.slow or self._waiting < CHUNK_BYTES:
                break

    async def send_rest(self) -> None:
        """Send what is missing of a log that is complete, however long the core stays away."""
        while piece := self._way.under_way or self._way.sent.next_last(self._size):
            await self._send(piece)
        await asyncio.to_thread(self._note.unlink, missing_ok=True)

    def close(self) -> None:
        os.close(self._log)
        self.marks.close()

    @property
    def _size(self) -> int:
        return os.fstat(self._log).st_size

    @property
    def _waiting(self) -> int:
        return self._size - self._way.sent.reached

    async def _send(self, piece: Piece) -> None:
        chunk = await asyncio.to_thread(self._read, piece)
        arriving = Piece(piece.start, chunk.offset + len(chunk.text.encode()) if chunk.text else piece.end)
        await self._note_down(under_way=arriving)
        while chunk.text and not await self._arrives(chunk):  # noqa: ASYNC110 (nobody tells when the core is back)
            await asyncio.sleep(RETRY_AFTER)
        await self._note_down(under_way=None, sent=self._way.sent.plus(arriving))

    async def _arrives(self, chunk: LogChunk) -> bool:
        try:
            await self._core.append_log(chunk)
        except NotReachable as error:
            logger.warning("a log chunk of task %s did not arrive: %s", chunk.task, error)
            return False
        return True

    async def _note_down(self, **fields: object) -> None:
        self._way = self._way.model_copy(update=fields)
        await asyncio.to_thread(write_private, self._note, self._way.model_dump_json(), synced=False)

    def _read(self, piece: Piece) -> LogChunk:
        """The piece as text, brought to where characters begin and end: its last one is taken whole."""
        data = os.pread(self._log, piece.end - piece.start + _LONGEST_CHARACTER, piece.start)
        start = next((at for at in range(min(len(data), _LONGEST_CHARACTER)) if _begins(data[at])), 0)
        end = piece.end - piece.start
        while end < len(data) and not _begins(data[end]):
            end += 1
        way = self._way
        return LogChunk(
            directive=way.directive,
            task=way.task,
            attempt=way.attempt,
            delivery=way.delivery,
            offset=piece.start + start,
            text=data[start:end].decode(errors="ignore"),
            times=self.marks.of(Piece(piece.start + start, piece.start + end)),
        )


class LogBacklog:
    """Sends the rest of logs whose tasks have ended, also those that an earlier daemon of this machine has left."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: asyncio.Queue[LogSender] = asyncio.Queue()

    def add(self, sender: LogSender) -> None:
        """Go on with a sender whose log is complete."""
        self._waiting.put_nowait(sender)

    def load(self, tasks: Path) -> None:
        """Take up what is left in the folder of all tasks; to be called before one runs."""
        for note in sorted(tasks.glob(f"*/{NOTE}")):
            try:
                way = Way.model_validate_json(agent_files.read(note.parent, NOTE, _LARGEST_NOTE))
                self.add(LogSender(note.parent / "task" / "log.txt", note, way, self._core))
            except (OSError, ValidationError) as error:
                logger.warning("the rest of a log can't be sent: %s: %s", note, error)
                note.unlink(missing_ok=True)

    async def send_for_ever(self) -> None:
        while True:
            sender = await self._waiting.get()
            try:
                await one_turn(sender.send_rest)
            finally:
                sender.close()


def _begins(byte: int) -> bool:
    """Whether a character of UTF-8 begins with it."""
    return byte & 0b1100_0000 != 0b1000_0000
