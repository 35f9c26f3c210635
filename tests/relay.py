"""The way between a daemon and Temporal, which a test takes away and gives back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Relay:
    """A TCP address that leads to `target`, "host:port"."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.partition(":")
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._flows = asyncio.Event()
        self._server: asyncio.Server
        self.address = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Relay]:
        self._flows.set()
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        try:
            yield self
        finally:
            self.cut()
            self._server.close()
            await self._server.wait_closed()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._is_cut = True
        for each in list(self._open):
            each.transport.abort()

    def lead_to(self, target: str) -> None:
        """From now on the address leads elsewhere; what was open ends."""
        self._host, _, self._port = target.partition(":")
        for each in list(self._open):
            each.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    def freeze(self) -> None:
        """Keep all connections, and let nothing through: as a server that is frozen, or a cable that is pulled."""
        self._flows.clear()

    def thaw(self) -> None:
        """What was sent meanwhile arrives."""
        self._flows.set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        there_reader, there = await asyncio.open_connection(self._host, int(self._port))
        if self._is_cut:  # while this one was being opened
            writer.transport.abort()
            there.transport.abort()
            return
        self._open |= {writer, there}
        try:
            await asyncio.gather(self._copy(reader, there), self._copy(there_reader, writer))
        finally:
            for each in (writer, there):
                each.transport.abort()
            self._open -= {writer, there}

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flows.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass  # cut
        finally:
            target.transport.abort()


class ThreadedRelay:
    """The same for a test without a loop of its own."""

    def __init__(self, relay: Relay, loop: asyncio.AbstractEventLoop) -> None:
        self._relay = relay
        self._loop = loop
        self.address = relay.address

    def freeze(self) -> None:
        self._loop.call_soon_threadsafe(self._relay.freeze)

    def thaw(self) -> None:
        self._loop.call_soon_threadsafe(self._relay.thaw)


@contextmanager
def relay_to(target: str) -> Iterator[ThreadedRelay]:
    """A relay that serves in a thread of its own."""
    ready, made = threading.Event(), []

    async def serve() -> None:
        end = asyncio.Event()
        async with Relay(target).serving() as relay:
            loop = asyncio.get_running_loop()
            made.append((ThreadedRelay(relay, loop), loop, end))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    [(relay, loop, end)] = made
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
