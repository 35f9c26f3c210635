"""The way between a daemon and Temporal, or the core and Postgres, which a test takes away, gives back or measures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from temporalio.service import RPCStatusCode

HEADERS, SETTINGS = 1, 4
LAST = 0x05
"""Frames of HTTP/2, and the flags of one that is a whole answer: END_STREAM, END_HEADERS."""


class Relay:
    """A TCP address that leads to `target`, "host:port"."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.partition(":")
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._refusal: RPCStatusCode | None = None
        self._flows = asyncio.Event()
        self._server: asyncio.Server
        self._is_asked = False
        self.address = ""
        self.round_trips = 0
        """How often something was sent to the target after its last answer, over all connections."""

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
        self._end_all()

    def refuse(self, status: RPCStatusCode) -> None:
        """End all connections, and answer each gRPC call of new ones with this status. CANCELLED is what a call gives
        whose connection is closed under it.
        """
        self._refusal = status
        self._end_all()

    def lead_to(self, target: str) -> None:
        """From now on the address leads elsewhere; what was open ends."""
        self._host, _, self._port = target.partition(":")
        self._end_all()

    def mend(self) -> None:
        self._is_cut = False

    def freeze(self) -> None:
        """Keep all connections, and let nothing through: as a server that is frozen, or a cable that is pulled."""
        self._flows.clear()

    def thaw(self) -> None:
        """What was sent meanwhile arrives."""
        self._flows.set()

    def _end_all(self) -> None:
        for each in list(self._open):
            each.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        if self._refusal:
            await self._refuse_each(self._refusal, reader, writer)
            return
        try:
            there_reader, there = await asyncio.open_connection(self._host, int(self._port))
        except OSError:  # nobody is there: whoever comes must not wait on a connection that leads nowhere
            writer.transport.abort()
            return
        if self._is_cut:  # while this one was being opened
            writer.transport.abort()
            there.transport.abort()
            return
        self._open |= {writer, there}
        try:
            await asyncio.gather(self._copy(reader, there, asks=True), self._copy(there_reader, writer, asks=False))
        finally:
            for each in (writer, there):
                each.transport.abort()
            self._open -= {writer, there}

    async def _refuse_each(
        self, status: RPCStatusCode, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._open.add(writer)
        try:
            writer.write(_frame(SETTINGS, 0, 0))
            await reader.readexactly(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
            while True:
                head = await reader.readexactly(9)
                await reader.readexactly(int.from_bytes(head[:3], "big"))
                if head[3] == HEADERS:
                    writer.write(_frame(HEADERS, LAST, int.from_bytes(head[5:], "big"), _only_trailers(status)))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.transport.abort()
            self._open.discard(writer)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, asks: bool) -> None:
        try:
            while data := await source.read(65536):
                self.round_trips += asks and not self._is_asked
                self._is_asked = asks
                await self._flows.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass  # cut
        finally:
            target.transport.abort()


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _only_trailers(status: RPCStatusCode) -> bytes:
    """An answer of gRPC without a message, its fields as plain text in the words of HPACK."""
    status_200 = b"\x88"
    fields = {b"content-type": b"application/grpc", b"grpc-status": str(status.value).encode()}
    return status_200 + b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields.items()
    )


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
