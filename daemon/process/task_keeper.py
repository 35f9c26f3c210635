"""Starts the commands of one task, each below a keeper that is forked in a moment (rule 6.10)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from daemon.process import keeper
from daemon.process.run import Streams

START_WITHIN = 20.0
"""Seconds for a keeper to be there; an agent may have stopped the process that forks it."""
STARTS = 3
KILLED = -int(signal.SIGKILL)


class TaskKeeper:
    """Forks keepers from one process, which carries the task's mark. It is started with the first command, or by
    `open`, and again where an agent has ended it; whoever makes one closes it.
    """

    def __init__(self, folder: str, grace: float, start_within: float = START_WITHIN) -> None:
        """`folder` is what the task's processes are marked with; `grace` the keepers', in seconds."""
        self._folder = folder
        self._grace = grace
        self._start_within = start_within
        self._server: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def open(self) -> None:
        """Start the process, so that the first command needn't wait for it. To be called by the event loop's thread:
        the process ends when the thread does that has started it. Raises OSError.
        """
        if self._server is not None and self._server.poll() is None:
            return
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        options = ("--serve", str(theirs.fileno()), "--parent", str(os.getpid()))
        with theirs:
            self._server = subprocess.Popen(
                (sys.executable, "-I", "-S", keeper.__file__, *options),
                cwd="/",
                env={keeper.MARK: self._folder},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,
            )
        self._requests = ours

    def close(self) -> None:
        """End the process; where a keeper still runs, its tree ends politely."""
        if self._requests:
            self._requests.close()
        if self._server:
            self._server.kill()
            self._server.wait()
        self._server = self._requests = None

    @asynccontextmanager
    async def started(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], streams: Streams
    ) -> AsyncIterator[KeptCommand]:
        """Implements run.Start. Raises OSError where no keeper starts."""
        with _request(self._grace, argv, env) as request, _folder(cwd) as folder:
            kept = await self._forked((request, *streams, folder))
        with kept:
            yield kept

    async def _forked(self, descriptors: Sequence[int]) -> KeptCommand:
        for _ in range(STARTS):
            self.open()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                ours.setblocking(False)
                kept = KeptCommand(ours)
                try:
                    assert self._requests
                    socket.send_fds(self._requests, [b"+"], [*descriptors, theirs.fileno()])
                except OSError:
                    kept.close()
                    self.close()
                    continue
            try:
                if await kept.begin(self._start_within):
                    return kept
            except BaseException:
                kept.close()  # it starts nothing, then
                raise
            kept.close()
            self.close()
        raise OSError(f"no keeper starts for {self._folder}")


class KeptCommand:
    """Implements run.Started: a command below its keeper."""

    def __init__(self, replies: socket.socket) -> None:
        self._replies = replies
        self._keeper = -1
        self._ended: asyncio.Task[int] | None = None

    async def begin(self, within: float) -> bool:
        """Let the command start, once its keeper is there. False where none comes."""
        try:
            async with asyncio.timeout(within):
                await _readable(self._replies)
        except TimeoutError:
            return False
        said, descriptors, _, _ = socket.recv_fds(self._replies, 32, 1)
        if not said or not descriptors:
            return False
        self._keeper = descriptors[0]
        try:
            self._replies.send(b"+")
        except OSError:
            return False
        self._ended = asyncio.create_task(self._end())
        return True

    async def wait(self) -> int:
        """The exit code: 128 + n of a command that signal n ended, negative where the keeper was killed."""
        assert self._ended
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """To the keeper, if it hasn't ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._keeper, number)

    def __enter__(self) -> KeptCommand:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget it; only after its end, or before it began."""
        if self._ended:
            self._ended.cancel()
        self._replies.close()
        if self._keeper >= 0:
            os.close(self._keeper)
            self._keeper = -1

    async def _end(self) -> int:
        await _readable(self._replies)
        try:
            said = self._replies.recv(32)
        except OSError:
            said = b""
        return int(said) if said else KILLED


async def _readable(replies: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    descriptor = replies.fileno()

    def take() -> None:
        loop.remove_reader(descriptor)
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, take)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


@contextmanager
def _request(grace: float, argv: Sequence[str], env: Mapping[str, str]) -> Iterator[int]:
    """As a file, whose size nothing limits. Raises ValueError for a word with a NUL in it."""
    variables = [f"{name}={value}" for name, value in env.items()]
    words = [os.fsencode(each) for each in (f"{grace:g}", str(len(variables)), *variables, *argv)]
    if any(b"\0" in each for each in words):
        raise ValueError("embedded null byte")
    file = os.memfd_create("request")
    try:
        with os.fdopen(file, "wb", closefd=False) as writing:
            writing.write(b"\0".join(words))
        yield file
    finally:
        os.close(file)


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)
