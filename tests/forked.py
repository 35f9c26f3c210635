"""Programs of ours in processes that need not import them first: forks of one that has.

    code = start(Program.STARTER, ("list", "--json"), env, folder, out, err).wait()
    done = run(Program.MAKIMA, ("directive", "done"), env)

Python imports what starter.py, worker.py or a daemon need in one to two seconds of a core, and what `makima` needs in
half a second; a fork takes a hundredth.
What runs is the program's own main with the arguments, the environment, the session and the streams of a process of its
own, which ends as it always does; only what /proc shows as its command and environment is that of the process that
forks. What has to be a program on its own (another checkout, a shell's redirections, a terminal) is started as one, and
so are the worker and the daemon of `starter.py up`.

`python -m tests.forked PROGRAM DESCRIPTOR` is the process that forks, once for each connection to the socket
that it was handed; it ends with the process that started it. Its answer is the pid in a line, and at the end the exit
code in another one.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory
from typing import Any

from domain.value import build_models

ROOT = Path(__file__).parents[1]
_LOOK_EVERY = 0.5  # seconds
_READY_WITHIN = 300.0  # seconds
_STARTING = threading.Lock()


def _all_of(package: str) -> list[str]:
    """Its modules, but for the one that runs it."""
    folder = ROOT / package.replace(".", "/")
    return [f"{package}.{each.name}" for each in iter_modules([str(folder)]) if not each.name.startswith("__")]


class Program(StrEnum):
    """What can be forked."""

    STARTER = "starter"
    WORKER = "worker"
    DAEMON = "daemon"
    MAKIMA = "makima"
    """What an agent calls in its shell."""


MODULES = {
    # What its commands import when they need it: all of them but those of the stack.
    Program.STARTER: (
        *("starter", "temporalio.client", "runtime.shared_settings", "runtime.addresses", "runtime.connection"),
        *("platformdirs", *_all_of("cli.operator"), *_all_of("steering"), *_all_of("ledger")),
    ),
    Program.WORKER: ("worker",),
    Program.DAEMON: ("daemon.__main__",),
    Program.MAKIMA: ("cli.agent.__main__",),
}


class Forked:
    """A process that was forked, with those of Popen's methods that tests need."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid = self._line()
        self.returncode: int | None = None
        """Minus the signal's number, where one has ended it."""

    def poll(self) -> int | None:
        """The exit code of a process that has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; subprocess.TimeoutExpired where it goes on for longer than so many seconds."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self._connection.recv(1, socket.MSG_PEEK)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._connection.settimeout(None)
            self.returncode = self._line()
            self._connection.close()
        return self.returncode

    def _line(self) -> int:
        read = b""
        while not read.endswith(b"\n"):
            byte = self._connection.recv(1)  # no more: what follows is for the next call
            assert byte, "the process that forks has ended"
            read += byte
        return int(read)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    program: Program,
    args: Sequence[str],
    env: Mapping[str, str],
    folder: Path,
    out: Path,
    err: Path,
    stdin: str | Path = os.devnull,
) -> Forked:
    """Start a program in `folder`; its output is added to two files."""
    for each in (out, err):
        each.touch()  # there to be read, whatever comes of the start
    streams = {"in": str(stdin), "out": str(out), "err": str(err)}
    order = {"args": list(args), "env": dict(env), "cwd": str(folder), **streams}
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_READY_WITHIN)
    connection.connect(_address(program))
    connection.sendall(json.dumps(order).encode())
    connection.shutdown(socket.SHUT_WR)
    return Forked(connection)


def run(
    program: Program, args: Sequence[str], env: Mapping[str, str], stdin: bytes = b"", timeout: float = 60
) -> subprocess.CompletedProcess[bytes]:
    """A program that has ended by itself within so many seconds."""
    with TemporaryDirectory() as folder:
        given, out, err = (Path(folder, name) for name in ("in", "out", "err"))
        given.write_bytes(stdin)
        command = start(program, args, env, Path.cwd(), out, err, given)
        try:
            code = command.wait(timeout)
        finally:
            command.kill()
        return subprocess.CompletedProcess([program, *args], code, out.read_bytes(), err.read_bytes())


@dataclass(frozen=True)
class _Forking:
    address: bytes
    process: subprocess.Popen[bytes]
    """Ends with this one: Popen complains of a process that outlives it."""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _address(program: Program) -> bytes:
    with _STARTING:  # commands are run by several threads, and a cache alone lets each of them start one
        return _forking(program).address


@cache
def _forking(program: Program) -> _Forking:
    """This process's own, started with the program's first start."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # Linux chooses a name, which is no file
        listener.listen(64)
        # -u: as PYTHONUNBUFFERED, which tests give their processes and which is read as Python starts.
        argv = (sys.executable, "-u", "-m", "tests.forked", program, str(listener.fileno()))
        process = subprocess.Popen(argv, cwd=ROOT, pass_fds=(listener.fileno(),), start_new_session=True)
        atexit.register(_end, process)
        return _Forking(listener.getsockname(), process)


def serve(program: Program, listener: socket.socket) -> None:
    """Fork for each connection, for as long as the process lives that started this one."""
    parent = os.getppid()
    for module in MODULES[program]:
        importlib.import_module(module)
    build_models()  # each fork would build those it reads
    gc.freeze()  # what a fork collects, it would have to copy first
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    listener.settimeout(_LOOK_EVERY)
    while os.getppid() == parent:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(program, connection)
        connection.close()


def _answer(program: Program, connection: socket.socket) -> None:
    order = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
    command = os.fork()
    if command == 0:
        connection.close()
        _become(program, order)
    connection.sendall(b"%d\n" % command)
    _, status = os.waitpid(command, 0)
    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(program: Program, order: dict[str, Any]) -> None:
    os.setsid()
    given = os.open(order["in"], os.O_RDONLY)
    written = [os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) for name in ("out", "err")]
    for number, descriptor in enumerate((given, *written)):
        os.dup2(descriptor, number)
    os.closerange(3, max(written) + 1)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    random.seed()
    sys.argv = [str(ROOT / f"{program}.py"), *order["args"]]
    _main(program)


def _main(program: Program) -> None:
    match program:
        case Program.STARTER:
            import starter

            starter.main()
        case Program.WORKER:
            import worker
            from runtime.exit import leave, run

            leave(run(worker.main))
        case Program.DAEMON:
            from daemon.__main__ import serve_or_command

            serve_or_command()
        case Program.MAKIMA:
            from cli.agent.__main__ import main

            main()


if __name__ == "__main__":
    serve(Program(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
