"""SOCKS 5 (RFC 1928), as far as a door needs it: CONNECT, without a password."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from daemon.network.door_policy import ConnectionRefused
from daemon.network.relay import relay
from daemon.network.upstream import HEAD_WITHIN, Streams, Unreachable, Upstream

VERSION = b"\x05"
_NO_PASSWORD, _NO_METHOD = b"\x05\x00", b"\x05\xff"
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_DONE, _NOT_ALLOWED, _UNREACHABLE, _NO_SUCH_COMMAND = 0, 2, 4, 7


async def serve_socks(near: Streams, upstream: Upstream) -> None:
    """One connection, whose first byte, VERSION, was read. Raises OSError or EOFError where it breaks off."""
    reader, writer = near
    async with asyncio.timeout(HEAD_WITHIN):
        target = await _target(reader, writer)
    if target is None:
        return
    try:
        far = await upstream.tunnel(*target)
    except ConnectionRefused:
        writer.write(_answer(_NOT_ALLOWED))
        return
    except Unreachable:
        writer.write(_answer(_UNREACHABLE))
        return
    writer.write(_answer(_DONE))
    await relay(near, far)


async def _target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
    """The host and port that are asked for; None: it was answered that this can't be had."""
    (count,) = await reader.readexactly(1)
    if 0 not in await reader.readexactly(count):
        writer.write(_NO_METHOD)
        return None
    writer.write(_NO_PASSWORD)
    version, command, _, kind = await reader.readexactly(4)
    if (version, command) != (VERSION[0], _CONNECT) or kind not in (_IPV4, _NAME, _IPV6):
        writer.write(_answer(_NO_SUCH_COMMAND))
        return None
    if kind == _NAME:
        (length,) = await reader.readexactly(1)
        # What is no ASCII is no name, and is refused as such.
        host = (await reader.readexactly(length)).decode("ascii", errors="replace")
    else:
        host = str(ip_address(await reader.readexactly(4 if kind == _IPV4 else 16)))
    return host, int.from_bytes(await reader.readexactly(2), "big")


def _answer(code: int) -> bytes:
    # The address that the door bound is of no use to anybody inside.
    return bytes((VERSION[0], code, 0, _IPV4)) + bytes(6)
