"""Commands of starter.py in processes that need not import it first: forks of one that has.

    code = run(("list", "--json"), env, out, err)

An import of starter.py and all that its commands import takes most of a second of a core, a fork a hundredth. What runs
is `starter.main()` with the arguments, the environment and the streams of a process of its own, which ends as it always
does. What has to be a program on its own (another checkout, a shell's redirections, a terminal) is started as one.

`python -m tests.acceptance.forked DESCRIPTOR` is the process that forks, once for each connection to the socket that it
was handed; it ends with the process that started it.
"""

from __future__ import annotations

import gc
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
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_ENDS_WITHIN = 300.0  # seconds
_LOOK_EVERY = 0.5  # seconds
_STARTING = threading.Lock()


def run(args: Sequence[str], env: Mapping[str, str], out: Path, err: Path) -> int:
    """Run a command to its end, with its output in two files; its exit code, or minus its signal."""
    order = {"args": list(args), "env": dict(env), "cwd": str(Path.cwd()), "out": str(out), "err": str(err)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ENDS_WITHIN)
        connection.connect(_address())
        connection.sendall(json.dumps(order).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(16)
    assert answer, f"starter.py {args}: no exit code"
    return int(answer)


@dataclass(frozen=True)
class _Forking:
    address: bytes
    process: subprocess.Popen[bytes]
    """Kept: Popen complains of a process that outlives it."""


def _address() -> bytes:
    with _STARTING:  # commands are run by several threads, and a cache alone lets each of them start one
        return _forking().address


@cache
def _forking() -> _Forking:
    """This process's own, started with the first command."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # Linux chooses a name, which is no file
        listener.listen(64)
        argv = (sys.executable, "-m", "tests.acceptance.forked", str(listener.fileno()))
        process = subprocess.Popen(argv, cwd=ROOT, pass_fds=(listener.fileno(),), start_new_session=True)
        return _Forking(listener.getsockname(), process)


def serve(listener: socket.socket) -> None:
    """Fork for each connection, for as long as the process lives that started this one."""
    parent = os.getppid()
    _import_all()
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
            _answer(connection)
        connection.close()


def _import_all() -> None:
    import starter

    starter.build_app()
    import temporalio.client  # noqa: F401


def _answer(connection: socket.socket) -> None:
    order = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
    command = os.fork()
    if command == 0:
        connection.close()
        _become(order)
    _, status = os.waitpid(command, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(order: dict[str, Any]) -> None:
    import starter

    nothing = os.open(os.devnull, os.O_RDONLY)
    written = [os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for name in ("out", "err")]
    for number, descriptor in enumerate((nothing, *written)):
        os.dup2(descriptor, number)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    random.seed()
    sys.argv = [str(ROOT / "starter.py"), *order["args"]]
    starter.main()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
