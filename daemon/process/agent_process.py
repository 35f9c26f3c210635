"""Runs a program for a task under a keeper, follows its output, and leaves nothing of it behind (rule 6.10)."""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from daemon.process import keeper
from daemon.process.limits import CANCEL_SECONDS, Linger, outgrown
from daemon.process.program import AgentCommand, EndedBy, ProcessEnd, StdinPipe
from domain.directive_settings import Limits

PIECE_LIMIT = 16 * 1024
TAIL_LIMIT = 4096

Sink = Callable[[str], None]
"""Takes a piece of output: a line with its newline, or a part of a line that is longer than 16 Ki characters."""

_READ_BYTES = 64 * 1024
_DRAIN_SECONDS = 2.0
_ROUND_SECONDS = 0.02
_STUCK_SECONDS = 10.0


@dataclass(frozen=True)
class Talk:
    """What passes between the daemon and a program that it understands, apart from stdout."""

    complaints: Sink
    """Takes its stderr."""
    stdin: StdinPipe = field(default_factory=StdinPipe)
    """Its stdin, where it talks."""
    linger: Linger = field(default_factory=Linger)
    """Started once it has said that it is done."""
    cancel: Callable[[], str] = str
    """What is written to its stdin before it is ended in the middle of its work; empty: nothing."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has said that it is done."""


async def run_agent(
    command: AgentCommand,
    *,
    cwd: Path,
    env: Mapping[str, str],
    sink: Sink,
    limits: Limits,
    stop: asyncio.Event | None = None,
    grace: float = keeper.GRACE_SECONDS,
    memory: int = 0,
    before_kill: Callable[[], Awaitable[None]] | None = None,
    talk: Talk | None = None,
) -> ProcessEnd:
    """Runs `command` to its end, to one of its limits, or until `stop` is set; its whole tree is gone afterwards.

    `env` is all of its environment (`agent_environment`). stdout and stderr, merged unless `talk` takes the latter, go
    to `sink` as they come; where `sink` raises, the tree is ended and the error raised. `grace` is the time in seconds
    from SIGINT to SIGTERM and from there to SIGKILL. `memory` is a limit in bytes for the whole tree (0: none). A
    cancelled caller gets its CancelledError when the tree is gone; before the first signal `before_kill`, which must
    not raise, is awaited then. A program that isn't there ends with exit code 127. OSError where no process can be
    started. The daemon must be a subreaper (`keeper.become_subreaper`), else what an agent leaves behind after killing
    its keeper escapes.
    """
    stdin = await _stdin_pipe(command, talk.stdin) if talk and command.talks else _written(command.stdin)
    with _start(command, cwd, env, grace, stdin, is_understood=talk is not None) as process:
        kept = _Kept(process, grace, env.get(keeper.MARK, ""))
        output = _Output(process.stdout, sink)
        errors = _Output(process.stderr, talk.complaints, output) if talk else None
        try:
            grown = outgrown(process.pid, memory) if memory else asyncio.Event().wait()
            lingers = (talk.linger if talk else Linger()).wait(process.pid)
            ended_by = await _first_of(kept.ended, output, limits, stop or asyncio.Event(), grown, lingers)
        except asyncio.CancelledError:
            if before_kill:
                await _to_its_end(_awaited(before_kill()))
            raise
        finally:
            await _to_its_end(_close(kept, output, errors, talk))
        output.raise_failure()
    code = process.returncode
    return ProcessEnd(code if code >= 0 else 128 - code, ended_by, output.tail)


def _start(
    command: AgentCommand, cwd: Path, env: Mapping[str, str], grace: float, stdin: int, *, is_understood: bool
) -> subprocess.Popen[bytes]:
    options = ("--grace", str(grace), "--parent", str(os.getpid()))
    # By file and without `site`: it starts in less time, and nobody who looks for "-m daemon" finds it.
    argv = (sys.executable, "-I", "-S", keeper.__file__, *options, "--", *command.argv)
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if is_understood else subprocess.STDOUT,
            # Away from a Ctrl-C at the daemon's terminal, and yet in the daemon's session: see kill_strays.
            process_group=0,
        )
    finally:
        os.close(stdin)


def _written(stdin: bytes) -> int:
    """A file, not a pipe: a program that doesn't read it can neither block nor break us."""
    file = os.memfd_create("stdin")
    os.write(file, stdin)
    os.lseek(file, 0, os.SEEK_SET)
    return file


async def _stdin_pipe(command: AgentCommand, stdin: StdinPipe) -> int:
    reading = await stdin.open()
    stdin.write(command.stdin)
    return reading


async def _first_of(
    ended: asyncio.Future[None],
    output: _Output,
    limits: Limits,
    stop: asyncio.Event,
    grown: Coroutine[None, None, object],
    lingers: Coroutine[None, None, None],
) -> EndedBy:
    clock = asyncio.get_running_loop().time
    deadline = clock() + limits.time.total_seconds()
    stopped, outgrew = asyncio.create_task(_set(stop)), asyncio.create_task(grown)
    lingered = asyncio.create_task(lingers)
    try:
        while True:
            silence = output.last + limits.no_output.total_seconds()
            reading = () if output.reading.done() else (output.reading,)
            left = max(0, min(deadline, silence) - clock())
            watched = {ended, stopped, outgrew, lingered, *reading}
            await asyncio.wait(watched, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            output.raise_failure()
            if ended.done():
                return EndedBy.EXIT
            if lingered.done():
                return EndedBy.LINGERED
            if stopped.done():
                return EndedBy.STOPPED
            if outgrew.done():
                return EndedBy.MEMORY
            if clock() >= deadline:
                return EndedBy.TIME_LIMIT
            if clock() >= output.last + limits.no_output.total_seconds():
                return EndedBy.NO_OUTPUT
    finally:
        stopped.cancel()
        outgrew.cancel()
        lingered.cancel()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _close(kept: _Kept, output: _Output, errors: _Output | None, talk: Talk | None) -> None:
    if talk:
        if not kept.ended.done() and (words := talk.cancel()):
            await _cancelled(kept, talk, words)
        talk.stdin.close()
    await kept.end()
    await output.close()
    if errors:
        await errors.close()


async def _cancelled(kept: _Kept, talk: Talk, words: str) -> None:
    """Gives the program a moment to end its turn itself: it knows best what else it has started."""
    talk.stdin.write(words.encode())
    over = asyncio.create_task(_set(talk.over))
    await asyncio.wait({kept.ended, over}, timeout=CANCEL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    over.cancel()


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Awaits `work` to its end whatever cancels the caller meanwhile, and only then lets the cancellation through."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled


class _Kept:
    """A keeper with what it keeps; `ended` is done when it has ended and is reaped."""

    def __init__(self, process: subprocess.Popen[bytes], grace: float, folder: str) -> None:
        self._process = process
        self._grace = grace
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        # A descriptor: needs no thread for each process, as asyncio's own would, and works the same on any loop.
        try:
            self._pidfd = os.pidfd_open(process.pid)
        except OSError:
            process.terminate()
            raise
        self._loop.add_reader(self._pidfd, self._on_end)

    async def end(self) -> None:
        """Ends the tree, if it hasn't ended, and then whatever escaped because the keeper itself was killed."""
        if not self.ended.done():
            self._process.terminate()
            # An agent may have stopped its keeper.
            self._process.send_signal(signal.SIGCONT)
            await asyncio.wait({self.ended}, timeout=2 * self._grace + _STUCK_SECONDS)
        if not self.ended.done():
            self._process.kill()
            await asyncio.wait({self.ended})
        # A keeper ends by a signal only where the agent sent it, or we did just now.
        while self._process.returncode < 0 and keeper.kill_strays(self._folder):  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(_ROUND_SECONDS)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self.ended.set_result(None)


class _Output:
    """Reads a pipe to its end into a sink; knows when something last came, and the last of it."""

    def __init__(self, pipe: IO[bytes] | None, sink: Sink, main: _Output | None = None) -> None:
        """What comes here counts as a sign of life of `main`, too."""
        self._loop = asyncio.get_running_loop()
        self.last = self._loop.time()
        self._main = main or self
        self.tail = ""
        self._sink = sink
        self._rest = ""
        self.reading = asyncio.create_task(self._read(pipe))

    def raise_failure(self) -> None:
        """Raises what the sink raised, if it did."""
        if self.reading.done() and not self.reading.cancelled():
            self.reading.result()

    async def close(self) -> None:
        """To be called when nobody is left to write."""
        # The pipe may have been handed to a process outside of the tree, which keeps it open.
        await asyncio.wait({self.reading}, timeout=_DRAIN_SECONDS)
        self.reading.cancel()
        await asyncio.wait({self.reading})

    async def _read(self, pipe: IO[bytes] | None) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await self._loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        try:
            while data := await reader.read(_READ_BYTES):
                self._main.last = self._loop.time()
                self._take(decoder.decode(data))
        finally:
            transport.close()
        self._take(decoder.decode(b"", final=True))
        if self._rest:
            self._sink(self._rest)

    def _take(self, text: str) -> None:
        self.tail = (self.tail + text)[-TAIL_LIMIT:]
        for piece in self._pieces(text):
            self._sink(piece)

    def _pieces(self, text: str) -> Iterator[str]:
        text, start = self._rest + text, 0
        while len(text) - start >= PIECE_LIMIT or text.find("\n", start) >= 0:
            end = text.find("\n", start, start + PIECE_LIMIT) + 1 or start + PIECE_LIMIT
            yield text[start:end]
            start = end
        self._rest = text[start:]
