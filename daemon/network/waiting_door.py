"""The door of a delivery that has not reached for the network yet, and may never do.

    python -I -S …/waiting_door.py MODULE LISTENING LIFELINE EVENTS

It takes the ports that sandboxes hand over, and becomes `python -I -m MODULE` with the first connection to one of them:
`daemon.network.door`, which says what the descriptors are. What that one imports takes 0.2 s, more than most commands.
It never takes a connection itself, nor waits for anything but by `poll`: what is handed in is the agent's as well.
"""

from __future__ import annotations

# `socket` wraps this, and takes as long to be imported as all of Python to start.
import _socket
import array
import os
import select
import sys

PORTS = 64
"""Handed over at once."""
HANDED_WITHIN = 1.0
"""Seconds from a sandbox's connection to its ports."""
_MESSAGE_BYTES = 8192
_INT_BYTES = array.array("i").itemsize

Handed = list[tuple[str, _socket.socket]]
"""Ports that listen, each by what its sandbox calls it."""


def handed_over(connection: _socket.socket) -> Handed | None:
    """What a sandbox hands over; None: nothing yet."""
    room = _socket.CMSG_SPACE(PORTS * _INT_BYTES)
    try:
        message, found, _, _ = connection.recvmsg(_MESSAGE_BYTES, room, _socket.MSG_DONTWAIT | _socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        return None
    except OSError:
        return []
    given = array.array("i")
    for level, kind, data in found:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            given.frombytes(data[: len(data) - len(data) % _INT_BYTES])
    ports = [port for fd in given for port in _as_port(fd)]
    return list(zip(message.decode(errors="replace").split("\n"), ports, strict=False))


def _as_port(fd: int) -> list[_socket.socket]:
    """The socket that was handed in, if it is one that listens."""
    try:
        port = _socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        return []
    port.setblocking(False)
    if port.type == _socket.SOCK_STREAM and port.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN):
        return [port]
    port.close()
    return []


def wait(listening: _socket.socket, lifeline: int) -> Handed | None:
    """The ports of the last sandbox, once somebody connects to one; None: the daemon has let go of the lifeline."""
    handed: Handed = []
    while True:
        ready = _ready([lifeline, listening.fileno(), *(port.fileno() for _, port in handed)])
        if lifeline in ready:
            return None
        if ready - {listening.fileno()}:
            return handed
        taken = _taken(listening, lifeline)
        for _, port in handed:
            port.close()
        handed = taken


def _taken(listening: _socket.socket, lifeline: int) -> Handed:
    try:
        descriptor, _ = listening._accept()  # type: ignore[attr-defined]
    except OSError:
        return []
    connection = _socket.socket(fileno=descriptor)
    try:
        _ready([lifeline, descriptor], HANDED_WITHIN)
        return handed_over(connection) or []
    finally:
        connection.close()


def _ready(descriptors: list[int], within: float | None = None) -> set[int]:
    poll = select.poll()
    for each in descriptors:
        poll.register(each, select.POLLIN)
    return {fd for fd, _ in poll.poll(within and 1000 * within)}


def main(arguments: list[str]) -> None:
    module, listening, lifeline, _ = arguments
    door = _socket.socket(fileno=int(listening))
    door.setblocking(False)
    handed = wait(door, int(lifeline))
    if handed is None:
        return
    for _, port in handed:
        os.set_inheritable(port.fileno(), True)
    named = [f"{port.fileno()}={name if name.isprintable() else ''}" for name, port in handed]
    program = sys.executable
    os.execv(program, (program, "-I", "-m", module, *arguments[1:], *named))  # noqa: S606 (it is ours)


if __name__ == "__main__":
    main(sys.argv[1:])
