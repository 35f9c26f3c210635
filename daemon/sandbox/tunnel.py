"""A ProxyCommand for ssh, run inside of the sandbox: stdin and stdout as a connection through the door.

    python -I -S …/tunnel.py HOST PORT TARGET TARGETPORT [--ask]

With --ask nothing is sent: whether the connection is made is all that is asked.
"""

from __future__ import annotations

import os
import select
import socket
import sys

ASK = "--ask"
UNREACHABLE = 1
HEAD_LIMIT = 64 * 1024


def main(arguments: list[str]) -> int:
    """The exit code; arguments: where the door is, and what is asked of it."""
    host, port = arguments[2:4]
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with socket.create_connection((arguments[0], int(arguments[1]))) as connection:
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = b""
        # One by one: what follows the head is ssh's.
        while not head.endswith(b"\r\n\r\n") and len(head) < HEAD_LIMIT and (byte := connection.recv(1)):
            head += byte
        if b" 200 " not in head.split(b"\r\n")[0]:
            told = connection.recv(4096) if head else b""
            sys.stderr.write(f"[makima] {target}: {told.decode(errors='replace').strip() or 'no network'}\n")
            return UNREACHABLE
        if ASK in arguments:
            return 0
        pump(connection)
    return 0


def pump(connection: socket.socket) -> None:
    """Until the far side ends; the end of stdin is passed on."""
    sources = [connection.fileno(), 0]
    while connection.fileno() in sources:
        for source in select.select(sources, [], [])[0]:
            data = os.read(source, 64 * 1024)
            if not data:
                sources.remove(source)
            if source == 0 and data:
                connection.sendall(data)
            elif source == 0:
                connection.shutdown(socket.SHUT_WR)
            else:
                write_all(1, data)


def write_all(to: int, data: bytes) -> None:
    while data:
        data = data[os.write(to, data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
