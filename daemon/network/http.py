"""An HTTP proxy, as far as a door needs it: CONNECT, and one plain request a connection (RFC 9110, 9112)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from urllib.parse import urlsplit

import h11

from daemon.network.door_policy import ConnectionRefused
from daemon.network.relay import IDLE_WITHIN, close, relay
from daemon.network.upstream import (
    HEAD_LIMIT,
    HEAD_WITHIN,
    READ_BYTES,
    Route,
    Streams,
    Unreachable,
    Upstream,
    authority,
    connect_to,
    reach,
)

_HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"),
    *(b"trailer", b"upgrade"),
}
_BAD_REQUEST, _FORBIDDEN, _BAD_GATEWAY = 400, 403, 502

Headers = list[tuple[bytes, bytes]]


async def serve_http(near: Streams, upstream: Upstream, begun: bytes) -> None:
    """One connection, of which `begun` was read. Raises OSError or h11.ProtocolError where it breaks off."""
    agent = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
    agent.receive_data(begun)
    async with asyncio.timeout(HEAD_WITHIN):
        request = await _next(agent, near[0])
    if not isinstance(request, h11.Request):
        return
    try:
        if request.method == b"CONNECT":
            await _tunnel(near, agent, request, upstream)
        else:
            await _forward(near, agent, request, upstream)
    except ConnectionRefused as refused:
        _refuse(near, agent, _FORBIDDEN, f"refused by the sandbox: {refused}")
    except Unreachable as unreachable:
        _refuse(near, agent, _BAD_GATEWAY, str(unreachable))
    except ValueError as error:
        _refuse(near, agent, _BAD_REQUEST, str(error))


async def _tunnel(near: Streams, agent: h11.Connection, request: h11.Request, upstream: Upstream) -> None:
    far = await upstream.tunnel(*_split(f"//{request.target.decode('ascii')}"))
    reader, writer = near
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    # What came behind the head belongs to the tunnel.
    early, _ = agent.trailing_data
    far[1].write(early)
    await relay((reader, writer), far)


async def _forward(near: Streams, agent: h11.Connection, request: h11.Request, upstream: Upstream) -> None:
    target = request.target.decode("ascii")
    if not target.lower().startswith("http://"):
        raise ValueError("this is a proxy: it takes CONNECT, and http:// addresses")
    host, port = _split(target, 80)
    route = await upstream.route(host, port, "http")
    far = await (connect_to(route.parent) if route.parent and route.is_by_name else reach(route))
    server = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
    try:
        async with asyncio.timeout(IDLE_WITHIN):
            far[1].write(server.send(_passed_on(request, target, route)) or b"")
            body = asyncio.create_task(_send_body(agent, near[0], server, far[1]))
            try:
                await _send_answer(server, far[0], agent, near[1])
            finally:
                body.cancel()
                await asyncio.wait({body})
    finally:
        close(far)


def _passed_on(request: h11.Request, target: str, route: Route) -> h11.Request:
    """The request as the server, or the machine's proxy, gets it: its Host is the target that was checked."""
    parts = urlsplit(target)
    path = parts._replace(scheme="", netloc="", path=parts.path or "/", fragment="").geturl()
    host = authority(route.host, route.port) if route.port != 80 else authority(route.host, 80).removesuffix(":80")
    parent = route.parent if route.is_by_name else None
    further = [(name.encode(), value.encode()) for name, value in (parent.headers if parent else [])]
    headers: Headers = [
        (b"Host", host.encode()),
        *_end_to_end(request.headers, without={b"host", *_second_length(request.headers)}),
        *further,
        (b"Connection", b"close"),
    ]
    asked = f"http://{host}{path}" if parent else path
    return h11.Request(method=request.method, target=asked.encode(), headers=headers)


async def _send_body(
    agent: h11.Connection, reader: asyncio.StreamReader, server: h11.Connection, writer: asyncio.StreamWriter
) -> None:
    """This request's body and no byte more: a second request could ask the machine's proxy for anything."""
    while isinstance(event := await _next(agent, reader), (h11.Data, h11.EndOfMessage)):
        writer.write(server.send(_without_trailers(event)) or b"")
        await writer.drain()
        if isinstance(event, h11.EndOfMessage):
            return


async def _send_answer(
    server: h11.Connection, reader: asyncio.StreamReader, agent: h11.Connection, writer: asyncio.StreamWriter
) -> None:
    async for event in _events(server, reader):
        if isinstance(event, h11.Response):
            headers: Headers = [*_end_to_end(event.headers), (b"Connection", b"close")]
            event = h11.Response(status_code=event.status_code, reason=event.reason, headers=headers)  # noqa: PLW2901
        elif isinstance(event, h11.InformationalResponse):
            headers = _end_to_end(event.headers)
            event = h11.InformationalResponse(status_code=event.status_code, headers=headers)  # noqa: PLW2901
        writer.write(agent.send(_without_trailers(event)) or b"")
        await writer.drain()


async def _events(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[h11.Event]:
    while not isinstance(event := await _next(connection, reader), h11.ConnectionClosed):
        yield event
        if isinstance(event, h11.EndOfMessage):
            return


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Event:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(READ_BYTES))
    if event is h11.PAUSED:
        return h11.ConnectionClosed()
    assert isinstance(event, h11.Event)
    return event


def _without_trailers(event: h11.Event) -> h11.Event:
    return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event


def _second_length(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """What must not stand beside a chunked body (RFC 9112, 6.3): a proxy behind us that believed it would take the rest
    of the body for a request of its own, to wherever that one likes.
    """
    return {b"content-length"} if any(name == b"transfer-encoding" for name, _ in headers) else set()


def _end_to_end(headers: Iterable[tuple[bytes, bytes]], without: Collection[bytes] = ()) -> Headers:
    """Without what is meant for a proxy, and what the message itself names as such."""
    given = list(headers)
    named = {part.strip().lower() for name, value in given if name == b"connection" for part in value.split(b",")}
    return [(name, value) for name, value in given if name not in {*_HOP_BY_HOP, *named, *without}]


def _split(address: str, default: int | None = None) -> tuple[str, int]:
    """Host and port of an address; ValueError where there is none, or anything else stands with them."""
    parts = urlsplit(address)
    host, port = parts.hostname, parts.port or default
    if not host or not port or "@" in parts.netloc or "\\" in parts.netloc:
        raise ValueError("the request names no host and port")
    return host, port


def _refuse(near: Streams, agent: h11.Connection, status: int, why: str) -> None:
    body = f"{why}\n".encode(errors="replace")
    if agent.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return  # the answer has begun: its end has to do
    headers: Headers = [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
        (b"Connection", b"close"),
    ]
    for event in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
        near[1].write(agent.send(event) or b"")
