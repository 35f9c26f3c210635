"""Whether the machine's own proxy would lead an agent back to this machine.

A proxy that stands here and looks names up itself finds loopback behind a name that was the internet's a moment ago.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from daemon.network.addresses import is_own
from daemon.network.relay import close
from daemon.network.rules import LOOPBACK
from daemon.network.upstream import (
    HEAD_WITHIN,
    Parent,
    Route,
    Streams,
    Unreachable,
    addresses_of,
    connect_through,
    connect_to,
)

ARRIVES_WITHIN = 0.5
"""Seconds for a connection that the proxy has promised."""


async def leads_to_loopback(parent: Parent) -> bool:
    """Whether it stands on this machine, and connects to a port of loopback for whoever asks."""
    try:
        if not any(map(is_own, await addresses_of(parent.host, parent.port))):
            return False
    except Unreachable:
        return False
    arrived = asyncio.Event()

    async def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        writer.close()

    async with await asyncio.start_server(arrive, LOOPBACK[0], 0) as server:
        port = server.sockets[0].getsockname()[1]
        for ask in (_by_connect, _by_request):
            with suppress(OSError, EOFError, TimeoutError, Unreachable):
                close(await ask(parent, port))
        with suppress(TimeoutError):
            await asyncio.wait_for(arrived.wait(), ARRIVES_WITHIN)
    return arrived.is_set()


async def _by_connect(parent: Parent, port: int) -> Streams:
    return await connect_through(parent, Route(LOOPBACK[0], port, (), parent))


async def _by_request(parent: Parent, port: int) -> Streams:
    """Many proxies let CONNECT to a few ports alone, and requests to all."""
    reader, writer = await connect_to(parent)
    headers = "".join(f"{name}: {value}\r\n" for name, value in parent.headers)
    at = f"{LOOPBACK[0]}:{port}"
    writer.write(f"GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{headers}Connection: close\r\n\r\n".encode())
    async with asyncio.timeout(HEAD_WITHIN):
        await reader.read(1)
    return reader, writer
