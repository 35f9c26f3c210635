"""The name server of these tests: what it says of REBINDING is another address each time it is asked.

`python -m tests.attacks.machine.turning_names FD`: FD is its socket. It ends with its stdin.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
from itertools import cycle

from tests.attacks.machine.addresses import REBINDING, WEB

ADDRESSES = cycle((WEB, "127.0.0.1"))
NAME = b"".join(bytes((len(part),)) + part.encode() for part in REBINDING.split(".")) + bytes(1)
IPV4 = 1
HEAD = 12
ANSWER, NO_SUCH_NAME = 0x8580, 0x8583


def answer(asked: bytes) -> bytes:
    """RFC 1035: the question once more, and for an IPv4 address of the name the next one, to be kept for no time."""
    question = asked[HEAD : asked.index(bytes(1), HEAD) + 5]
    if question[:-4].lower() != NAME:
        return asked[:2] + struct.pack(">HHHHH", NO_SUCH_NAME, 1, 0, 0, 0) + question
    if question[-4:] != struct.pack(">HH", IPV4, 1):
        return asked[:2] + struct.pack(">HHHHH", ANSWER, 1, 0, 0, 0) + question
    record = struct.pack(">HHHIH", 0xC000 + HEAD, IPV4, 1, 0, 4) + socket.inet_aton(next(ADDRESSES))
    return asked[:2] + struct.pack(">HHHHH", ANSWER, 1, 1, 0, 0) + question + record


def serve(names: socket.socket) -> None:
    while True:
        asked, sender = names.recvfrom(4096)
        names.sendto(answer(asked), sender)


if __name__ == "__main__":
    threading.Thread(target=serve, args=(socket.socket(fileno=int(sys.argv[1])),), daemon=True).start()
    sys.stdin.read()
