"""What the commands that are servers of HTTP have in common: where they listen, and how they end."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from domain.errors import Refused

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MOST_AT_ONCE = 64
"""Connections."""
LONGEST_CONNECTION = 60.0
"""Seconds, where it is bounded: a client that sends nothing keeps no place."""


def address(option: str, typed: str) -> tuple[str, int]:
    """`127.0.0.1:8765` as host and port; port 0: any that is free."""
    host, _, port = typed.rpartition(":")
    if not host or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise Refused(f"{option} takes HOST:PORT, such as 127.0.0.1:8765; not {typed[:100]!r}")
    return host.strip("[]"), int(port)


def listen(host: str, port: int) -> socket.socket:
    """Refused where that can't be."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Refused(f"nothing can listen at {host}:{port}: {error.strerror or error}") from error


def shown(listening: socket.socket) -> str:
    """Its address, as a browser takes it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: Any, listening: socket.socket, *, bounded: bool = False) -> None:
    """Until a signal asks for the end; what has begun is finished."""
    import uvicorn  # noqa: PLC0415 - of an extra

    config = uvicorn.Config(
        app,
        http=_bounded() if bounded else "auto",
        log_level="critical",
        limit_concurrency=MOST_AT_ONCE,
        server_header=False,
    )
    serving = uvicorn.Server(config)
    # Its own way would end the process by the signal, with what has begun in the middle.
    serving.capture_signals = nullcontext  # type: ignore[assignment]
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, setattr, serving, "should_exit", True)
    await serving.serve(sockets=[listening])


def _bounded() -> type[H11Protocol]:
    from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415

    class Bounded(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            asyncio.get_running_loop().call_later(LONGEST_CONNECTION, transport.close)

    return Bounded
