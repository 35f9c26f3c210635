"""Follows an agent's output: events into log, progress, and what is remembered of the run (rule 6.11)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from daemon import agent_files
from daemon.agents.base import StreamSummary
from daemon.agents.event_folding import after, complained, log_text
from daemon.agents.file_tail import FileTail
from daemon.agents.stream_events import (
    AgentText,
    Event,
    Final,
    InBackground,
    MustEnd,
    PermissionReply,
    PermissionRequest,
    PlanReported,
    Printed,
    Sent,
    Stream,
    ToolCalled,
    WakeAfter,
)
from daemon.core.reporting import Heartbeat
from daemon.logs.task_log import TaskLog
from daemon.process.agent_process import Talk
from daemon.process.limits import BACKGROUND_SECONDS, LINGER_SECONDS

SIDE_FILES_SECONDS = 1.0
"""Between two looks at what a program writes beside its output: nobody tells when it does."""
LOOK_SECONDS = 5.0
"""Between two looks whether a program that says nothing has used what it may."""
_NOWHERE = Path(os.devnull)
LONGEST_LINE = 8 * 1024 * 1024
"""Characters of a line that is still read: a tool's whole output may stand in one."""

Decide = Callable[[PermissionRequest], Awaitable[PermissionReply]]


class Follower:
    """Reads one run. `seen` is what it has read so far."""

    def __init__(
        self,
        stream: Stream,
        log: TaskLog,
        heartbeat: Heartbeat,
        *,
        phase: str,
        decide: Decide,
        check: Callable[[StreamSummary], str],
        raw: Path,
        worktree: str,
        side_files: FileTail | None = None,
    ) -> None:
        """`check` is called after every line that `seen` has changed by, and every LOOK_SECONDS; it answers why the
        program must be stopped, or nothing; `raw` keeps the output as it came; `side_files` have further lines for the
        stream.
        """
        self._stream = stream
        self._log = log
        self._heartbeat = heartbeat
        self._phase = phase
        self._decide = decide
        self._check = check
        self._raw = raw
        self._worktree = f"{worktree}/"
        self._side_files = side_files
        self._line: list[str] = []
        self._size = 0
        self._last_text = ""
        self._answering: set[asyncio.Task[None]] = set()
        self.seen = StreamSummary()
        self.asks = False
        """It was interrupted for an answer."""
        self.stop = asyncio.Event()
        self.stopped_for = ""
        self.talk = Talk(self._complain, cancel=stream.cancel)
        self._waking: asyncio.TimerHandle | None = None
        self._defect: BaseException | None = None

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """While the program runs; what it still waits to be answered at the end is dropped."""
        over = asyncio.Event()
        reading, looking = self._beside(self._read_side_files_until(over)), self._beside(self._look_for_ever())
        self._wake_after(self._stream.first_wake)
        with agent_files.appending(self._raw if self._stream.by_lines else _NOWHERE) as self._kept:
            try:
                yield
            finally:
                self._wake_after(0)
                for each in (looking, *self._answering):
                    each.cancel()
                if self._line:
                    self._read("".join(self._line))
                over.set()
                await reading
        if self._defect:
            raise self._defect

    def _beside(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """What goes on while the program runs. Where it fails the program is stopped: it must run neither unwatched nor
        without an answer.
        """
        task = asyncio.create_task(work)
        task.add_done_callback(self._stop_for_defect)
        return task

    def _stop_for_defect(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (defect := task.exception()):
            self._defect = self._defect or defect
            self.stop.set()

    async def _look_for_ever(self) -> None:
        """`check` also where the program says nothing, for its time may count, too."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._stop_if_needed()

    def _stop_if_needed(self) -> None:
        if (reason := self._check(self.seen)) and not self.seen.final:
            self.stop_for(reason)

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

    async def _read_side_files_until(self, over: asyncio.Event) -> None:
        """Once more after `over`."""
        while self._side_files:
            is_last = over.is_set()
            for line in await asyncio.to_thread(self._side_files.lines):
                self._read(line)
            if is_last:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(SIDE_FILES_SECONDS):
                    await over.wait()

    def _complain(self, piece: str) -> None:
        self.seen = complained(self.seen, piece)
        self._append(piece)

    def _events(self, events: list[Event]) -> None:
        before = self.seen
        for event in events:
            self._event(event)
        if self.seen is not before:
            self._stop_if_needed()

    def stop_for(self, reason: str) -> None:
        """Have the program stopped."""
        self.stopped_for = self.stopped_for or reason
        self.stop.set()

    def _event(self, event: Event) -> None:
        self._append(log_text(event, self._last_text).replace(self._worktree, ""))
        self.seen = after(self.seen, event)
        match event:
            case AgentText():
                self._last_text = event.text
                self.talk.linger.cancel()
            case ToolCalled():
                self._heartbeat.phase = f"{self._phase}: {event.tool}"
                self.talk.linger.cancel()
            case PermissionRequest():
                answering = self._beside(self._answer(event))
                self._answering.add(answering)
                answering.add_done_callback(self._answering.discard)
            case PlanReported():
                current = next((words for words, state in event.entries if state == "in_progress"), "")
                self._heartbeat.phase = f"{self._phase}: {current}" if current else self._phase
            case Sent():
                self.talk.stdin.write(event.text.encode())
            case WakeAfter():
                self._wake_after(event.seconds)
            case MustEnd():
                self.stop.set()
            case Final() | InBackground() if self.seen.final:
                self._rest()
            case Printed():
                pass

    def _wake_after(self, seconds: float) -> None:
        if self._waking:
            self._waking.cancel()
        loop = asyncio.get_running_loop()
        self._waking = loop.call_later(seconds, lambda: self._events(self._stream.wake())) if seconds else None

    def _rest(self) -> None:
        """Its turn is over; with something in its background it may begin another, and ask something in that."""
        self.talk.over.set()
        self._heartbeat.phase = self._phase
        self.talk.linger.start(BACKGROUND_SECONDS if self.seen.in_background else LINGER_SECONDS)
        if not self.seen.in_background:
            self.talk.stdin.close()

    async def _answer(self, asked: PermissionRequest) -> None:
        reply = await self._decide(asked)
        self.asks |= reply.interrupt
        self.talk.stdin.write(self._stream.reply(asked, reply).encode())

    def _append(self, text: str) -> None:
        if text:
            self._log.append(text)
            self._heartbeat.last_line = self._log.last_line
