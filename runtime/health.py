"""`GET /health` of a worker or daemon: 200 while everything that it needs answers, else 503, with each reason."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any

from domain.errors import MakimaError, SettingsError
from runtime.shared_settings import host_and_port

Check = Callable[[], Awaitable[None]]
"""Raises a MakimaError where something is wrong."""
ANSWER_WITHIN = 5.0
"""Seconds for each check."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def health_at(address: str, checks: Mapping[str, Check]) -> AsyncIterator[None]:
    """Serve at `host:port` (empty: not at all) while the context lasts. SettingsError where the port can't be had."""
    if not address:
        yield
        return
    loop = asyncio.get_running_loop()

    def look() -> dict[str, str]:
        return asyncio.run_coroutine_threadsafe(examined(checks), loop).result(2 * ANSWER_WITHIN)

    try:
        server = _Server(host_and_port(address), look)
    except OSError as error:
        raise SettingsError(f"health at {address}: {error.strerror}; set another address, or none") from error
    with server:
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="health", daemon=True)
        serving.start()
        try:
            yield
        finally:
            await asyncio.to_thread(server.shutdown)


async def examined(checks: Mapping[str, Check]) -> dict[str, str]:
    """Each check's name with `ok`, or what is wrong."""
    said = await asyncio.gather(*(_said(check) for check in checks.values()))
    return dict(zip(checks, said, strict=True))


async def _said(check: Check) -> str:
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            await check()
    except MakimaError as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {ANSWER_WITHIN:g} s"
    return "ok"


class _Server(ThreadingTCPServer):
    """A thread a request. (HTTPServer would ask DNS for the address's name, and wait for it.)"""

    daemon_threads = True  # none of them keeps the process from ending
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], look: Callable[[], dict[str, str]]) -> None:
        self.look = look
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.warning("a request at the health address was not answered", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = ANSWER_WITHIN  # seconds that a caller may be silent
    server_version, sys_version = "makima", ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/health":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            found = self.server.look()
        except TimeoutError:
            found = {"process": "its event loop does not answer"}
        well = set(found.values()) <= {"ok"}
        self.send_response(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: probes come every few seconds."""
