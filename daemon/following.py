"""Follows an agent's output: events into log, progress, and what is remembered of the run (SPEC 6.11)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.agent_process import Talk
from daemon.agents.base import Seen
from daemon.agents.events import Asked, Event, Final, Printed, Reply, Said, Stream, ToolCalled
from daemon.agents.seeing import after, complained, shown
from daemon.pulse import Pulse
from daemon.task_log import TaskLog

LONGEST_LINE = 8 * 1024 * 1024
"""Characters of a line that is still read: a tool's whole output may stand in one."""

Decide = Callable[[Asked], Awaitable[Reply]]


class Follower:
    """Reads one run. `seen` is what it has read so far."""

    def __init__(
        self,
        stream: Stream,
        log: TaskLog,
        pulse: Pulse,
        *,
        phase: str,
        decide: Decide,
        tell: Callable[[Seen], None],
        raw: Path,
        worktree: str,
        turns: int = 0,
    ) -> None:
        """`tell` is called at every event that `seen` has changed by; `raw` keeps the output as it came; `turns`: the
        tools that it may call before it is stopped, for a program that counts no turns itself; 0: no limit.
        """
        self._stream = stream
        self._log = log
        self._pulse = pulse
        self._phase = phase
        self._decide = decide
        self._tell = tell
        self._raw = raw
        self._worktree = f"{worktree}/"
        self._turns = turns
        self._line: list[str] = []
        self._size = 0
        self._said = ""
        self._answering: set[asyncio.Task[None]] = set()
        self.seen = Seen()
        self.asks = False
        """It was interrupted for an answer."""
        self.stop = asyncio.Event()
        self.talk = Talk(self._complain)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """While the program runs; what it still waits to be answered at the end is dropped."""
        with (self._raw if self._stream.by_lines else Path(os.devnull)).open("a") as self._kept:
            try:
                yield
            finally:
                for answering in self._answering:
                    answering.cancel()
                if self._line:
                    self._read("".join(self._line))

    def take(self, piece: str) -> None:
        """A piece of stdout."""
        if not self._stream.by_lines:
            self._events(self._stream.read(piece))
            return
        self._kept.write(piece)
        self._size += len(piece)
        if self._size <= LONGEST_LINE:
            self._line.append(piece)
        if piece.endswith("\n"):
            line = "".join(self._line) if self._size <= LONGEST_LINE else f"[a line of {self._size} characters]\n"
            self._line, self._size = [], 0
            self._read(line)

    def _read(self, line: str) -> None:
        if line.strip():
            self._events(self._stream.read(line))

    def _complain(self, piece: str) -> None:
        self.seen = complained(self.seen, piece)
        self._show(piece)

    def _events(self, events: list[Event]) -> None:
        for event in events:
            self._event(event)

    def _event(self, event: Event) -> None:
        self._show(shown(event, self._said).replace(self._worktree, ""))
        before, self.seen = self.seen, after(self.seen, event)
        if self.seen is not before:
            self._tell(self.seen)
        match event:
            case Said():
                self._said = event.text
            case ToolCalled():
                self._pulse.phase = f"{self._phase}: {event.tool}"
                if self._turns and self.seen.turns >= self._turns:
                    self.stop.set()
            case Asked():
                answering = asyncio.create_task(self._answer(event))
                self._answering.add(answering)
                answering.add_done_callback(self._answering.discard)
            case Final():
                self._pulse.phase = self._phase
                self.talk.done.set()
                self.talk.voice.close()
            case Printed():
                pass

    async def _answer(self, asked: Asked) -> None:
        reply = await self._decide(asked)
        self.asks |= reply.interrupt
        self.talk.voice.say(self._stream.reply(asked, reply).encode())

    def _show(self, text: str) -> None:
        if text:
            self._log.append(text)
            self._pulse.last_line = self._log.last_line
