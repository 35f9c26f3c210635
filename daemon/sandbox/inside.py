"""The sandbox's side of the door, run inside of it before a command.

    python -I -S …/inside.py --door SOCKET [--listen HOST PORT]… -- COMMAND [ARGUMENT …]

It opens the ports in the sandbox's own network, hands them to the door outside, and becomes COMMAND. A port belongs to
the network in which it was opened, whoever takes its connections: so nothing of ours is left running inside, where an
agent could end it.
"""

from __future__ import annotations

# It stands before every command, and half of its time would go into `socket` and `signal`, which wrap these.
import _signal  # type: ignore[import-not-found]
import _socket
import array
import errno
import os
import sys

NOT_FOUND, NOT_RUNNABLE = 127, 126
BACKLOG = 128


def main(arguments: list[str]) -> int:
    """Returns only where the command can't be run: as a shell would say it."""
    cut = arguments.index("--")
    options, command = arguments[:cut], arguments[cut + 1 :]
    at = [(options[i + 1], int(options[i + 2])) for i, word in enumerate(options) if word == "--listen"]
    hand_over(options[options.index("--door") + 1], at)
    # Python ignores these, and an ignored signal stays so in what it becomes.
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 (it is the command that was asked for)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE


def hand_over(door: str, at: list[tuple[str, int]]) -> None:
    """Open these ports and hand them out; without them the command has no network, and runs all the same."""
    ports: list[_socket.socket] = []
    names: list[str] = []
    for host, port in at:
        try:
            ports.append(listening(host, port))
            names.append(f"{host} {port}")
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue  # a machine without IPv6
            sys.stderr.write(f"[makima] port {port} of {host} can't be opened in the sandbox: {error.strerror}\n")
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(door)
        handed = array.array("i", [port.fileno() for port in ports])
        connection.sendmsg(["\n".join(names).encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handed)])
    except OSError as error:
        sys.stderr.write(f"[makima] no network: the door of this sandbox can't be reached: {error.strerror}\n")
    for each in (connection, *ports):
        each.close()


def listening(host: str, port: int) -> _socket.socket:
    """A port that nobody takes connections from yet."""
    made = _socket.socket(_socket.AF_INET6 if ":" in host else _socket.AF_INET, _socket.SOCK_STREAM)
    made.bind((host, port))
    made.listen(BACKLOG)
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
