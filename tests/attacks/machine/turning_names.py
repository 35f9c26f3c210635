"""The name server of these tests: what it says of REBINDING and LATE is another thing each time it is asked.

`python -m tests.attacks.machine.turning_names FD`: FD is its socket. It ends with its stdin.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
from itertools import cycle

from tests.attacks.machine.addresses import LATE, REBINDING, WEB

ADDRESSES = {REBINDING: cycle((WEB, "127.0.0.1")), LATE: cycle(("", "127.0.0.1"))}
"""Empty: the name is nowhere."""
IPV4 = 1
HEAD = 12
ANSWER, NO_SUCH_NAME = 0x8580, 0x8583


def answer(asked: bytes) -> bytes:
    """RFC 1035: the question once more, and for an IPv4 address of a name the next one, to be kept for no time."""
    question = asked[HEAD : asked.index(bytes(1), HEAD) + 5]
    addresses = ADDRESSES.get(name_in(question))
    is_ipv4 = question[-4:] == struct.pack(">HH", IPV4, 1)
    address = next(addresses) if addresses and is_ipv4 else ""
    status = ANSWER if address or (addresses and not is_ipv4) else NO_SUCH_NAME
    record = struct.pack(">HHHIH", 0xC000 + HEAD, IPV4, 1, 0, 4) + socket.inet_aton(address) if address else b""
    return asked[:2] + struct.pack(">HHHHH", status, 1, bool(address), 0, 0) + question + record


def name_in(question: bytes) -> str:
    parts, at = [], 0
    while size := question[at]:
        parts.append(question[at + 1 : at + 1 + size].decode())
        at += size + 1
    return ".".join(parts).lower()


def serve(names: socket.socket) -> None:
    while True:
        asked, sender = names.recvfrom(4096)
        names.sendto(answer(asked), sender)


if __name__ == "__main__":
    threading.Thread(target=serve, args=(socket.socket(fileno=int(sys.argv[1])),), daemon=True).start()
    sys.stdin.read()
