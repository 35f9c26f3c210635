"""The one place of the daemon that starts processes (STYLE 6): argument list, own group, time limit, no survivors."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from domain.errors import ProcessTimedOut
from domain.repository_url import masked

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of stdout that are kept, the first ones; what comes after is read and dropped."""
STDERR_LIMIT = 16 * 1024
"""Bytes of stderr that are kept, the last ones."""
SHOWN_STDERR = 600
"""Characters of stderr that an error's text shows."""
_REASONS = ("fatal: ", "error: ", "BUG: ")
"""What git begins the sentence with that says why."""
TERM_GRACE = 2.0
"""Seconds between SIGTERM, on which git removes its lock files, and SIGKILL."""
DRAIN_GRACE = 1.0
"""Seconds that a helper which outlives its parent (ssh's master, a credential cache) may keep the pipes open."""


@dataclass(frozen=True)
class Finished:
    """A process that ended by itself, with whatever exit code. `cut`: stdout was longer than what is kept."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: str
    cut: bool = False

    @property
    def text(self) -> str:
        """stdout as text without the line end; what isn't UTF-8 survives a way back through `os.fsencode`."""
        return self.stdout.decode(errors="surrogateescape").rstrip("\n")

    @property
    def names(self) -> tuple[str, ...]:
        """stdout of a command with `-z`: the parts between NULs."""
        return tuple(self.stdout.decode(errors="surrogateescape").split("\0")[:-1])

    def __str__(self) -> str:
        return f"{command_name(self.argv)} ended with {self.exit_code}: {sentence(self.stderr)}"


class Runs(Protocol):
    """Runs a command somewhere: plainly, or with an agent's environment below the keeper and in its sandbox (rule 6.2).

    `env` is added to what the runner's processes get anyway. Raises ProcessTimedOut; any exit code is a result.
    """

    async def __call__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b"", timeout: float
    ) -> Finished: ...


Streams = tuple[int, int, int]
"""Descriptors of stdin, stdout and stderr."""


class Started(Protocol):
    """A process that was started."""

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """To all of it; to nobody where it has ended."""
        ...


class Start(Protocol):
    """Starts a process with exactly `env`; OSError where none can be started."""

    def __call__(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], streams: Streams
    ) -> AbstractAsyncContextManager[Started]: ...


@asynccontextmanager
async def _plainly(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], streams: Streams, pass_fds: Sequence[int] = ()
) -> AsyncIterator[Started]:
    stdin, stdout, stderr = streams
    yield _Group(
        await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            # A group of its own, so that all of it can be signalled, but in the daemon's session: that is how
            # `keeper.kill_strays` tells the daemon's own processes from what an agent left behind.
            process_group=0,
            pass_fds=tuple(pass_fds),
        )
    )


class _Group:
    """Implements Started: a process and its group."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.wait = process.wait

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    stdin: bytes | IO[bytes] = b"",
    output_limit: int = OUTPUT_LIMIT,
    pass_fds: Sequence[int] = (),
    start: Start | None = None,
) -> Finished:
    """Run `argv` in `cwd` with exactly `env` for at most `timeout` seconds.

    On timeout (ProcessTimedOut) and on cancellation the whole process group is stopped and waited for. `start`: where
    it is started in another way than plainly, and without `pass_fds`.
    """
    start = start or partial(_plainly, pass_fds=pass_fds)
    out, err = _Capture(output_limit, keep_last=False), _Capture(STDERR_LIMIT, keep_last=True)
    async with AsyncExitStack() as started, _reading(out) as out_end, _reading(err) as err_end:
        with out_end, err_end, _as_file(stdin) as source:  # our copies must be closed, or the pipes never end
            streams = (source.fileno(), out_end.fileno(), err_end.fileno())
            process = await started.enter_async_context(start(argv, cwd, env, streams))
        try:
            async with asyncio.timeout(timeout):
                exit_code = await process.wait()
        except TimeoutError as error:
            await _stop(process)
            raise ProcessTimedOut(
                f"{command_name(argv)} was stopped after {timeout:g} s: {sentence(err.text)}"
            ) from error
        except asyncio.CancelledError:
            await _stop(process)
            raise
        await asyncio.wait((out.ended, err.ended), timeout=DRAIN_GRACE)
    return Finished(tuple(argv), exit_code, bytes(out.kept), err.text, out.cut)


async def _stop(process: Started) -> None:
    try:
        process.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(TERM_GRACE):
                await process.wait()
    finally:  # also when a second cancellation cuts the grace short
        process.signal(signal.SIGKILL)
    await process.wait()


class _Capture(asyncio.Protocol):
    """Reads one pipe to its end and keeps at most `limit` bytes of it, the first or the last ones."""

    def __init__(self, limit: int, *, keep_last: bool) -> None:
        self._limit = limit
        self._keep_last = keep_last
        self.kept = bytearray()
        self.cut = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def text(self) -> str:
        return self.kept.decode(errors="replace")

    def data_received(self, data: bytes) -> None:
        self.kept += data
        if len(self.kept) > self._limit:
            self.cut = True
            del self.kept[slice(None, -self._limit) if self._keep_last else slice(self._limit, None)]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


@asynccontextmanager
async def _reading(capture: _Capture) -> AsyncIterator[IO[bytes]]:
    """The writing end of a pipe whose other end `capture` reads: pipes of our own, because asyncio's keep
    `Process.wait` from returning for as long as any grandchild holds them open.
    """
    read_fd, write_fd = os.pipe()
    with os.fdopen(write_fd, "wb", buffering=0) as writing:
        reading = os.fdopen(read_fd, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: capture, reading)
        try:
            yield writing
        finally:
            transport.close()


@contextmanager
def _as_file(stdin: bytes | IO[bytes]) -> Iterator[IO[bytes]]:
    """Input as a file: nobody has to feed it, and a process that never reads it blocks nobody."""
    if not isinstance(stdin, bytes):
        yield stdin
        return
    with tempfile.TemporaryFile() if stdin else Path(os.devnull).open("rb") as file:
        if stdin:
            file.write(stdin)
            file.seek(0)
        yield file


def command_name(argv: Sequence[str]) -> str:
    """What was run, for a reason that people read: the program, and of git its command. An argument list is no reason:
    it may be that of a sandbox, and what is cut off behind it is what the program said.
    """
    program = Path(argv[0]).name
    words = (word for word, before in zip(argv[1:], argv, strict=False) if word[:1] != "-" and before != "-c")
    command = next(words, "") if program == "git" else ""
    return f"{program} {command}".strip()


def sentence(stderr: str) -> str:
    """What stderr says, on one line, without the secrets of any URL in it: first the program's own sentences on why it
    failed, then as much of its end as there is room for.
    """
    lines = [line.strip() for line in masked(stderr).splitlines() if line.strip()]
    # What ended it comes first, however many errors it names before.
    reasons = sorted(
        {line: None for line in lines if line.startswith(_REASONS)}, key=lambda line: line.startswith("error")
    )
    said = " / ".join(reasons)[:SHOWN_STDERR]
    rest = " / ".join(line for line in lines if line not in reasons)
    left = SHOWN_STDERR - len(said)
    more = rest[-left:] if left > 0 else ""
    return " / ".join(part for part in (said, more) if part) or "it said nothing"
