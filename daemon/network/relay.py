"""Bytes from one connection to another, in both directions, until both have ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from daemon.network.upstream import READ_BYTES, Streams

IDLE_WITHIN = 3600.0
"""Seconds in which nothing comes from either side."""


async def relay(near: Streams, far: Streams) -> None:
    """Returns when both sides have ended or one is broken; both are closed then."""
    try:
        async with asyncio.timeout(IDLE_WITHIN) as idle, asyncio.TaskGroup() as both:
            both.create_task(_copy(near[0], far[1], idle))
            both.create_task(_copy(far[0], near[1], idle))
    except* (OSError, TimeoutError):
        pass  # the other side learns of it by the end of its connection
    finally:
        close(near, far)


def close(*streams: Streams) -> None:
    for _, writer in streams:
        with suppress(OSError, RuntimeError):
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: asyncio.Timeout) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(READ_BYTES):
        idle.reschedule(loop.time() + IDLE_WITHIN)
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
