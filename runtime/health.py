"""`GET /health` of a worker or daemon: 200 while everything that it needs answers, else 503, with each reason."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from domain.errors import MakimaError, SettingsError
from runtime.settings import host_and_port

Check = Callable[[], Awaitable[None]]
"""Raises a MakimaError where something is wrong."""
ANSWER_WITHIN = 5.0
"""Seconds for each check."""


@asynccontextmanager
async def health_at(address: str, checks: Mapping[str, Check]) -> AsyncIterator[None]:
    """Serve at `host:port` (empty: not at all) while the context lasts. SettingsError where the port can't be had."""
    if not address:
        yield
        return
    try:
        # Ours, and before the server: it would end the process where the port is taken.
        listening = socket.create_server(host_and_port(address))
    except OSError as error:
        raise SettingsError(f"health at {address}: {error.strerror}; set another address, or none") from error
    config = uvicorn.Config(_app(checks), log_config=None, log_level="warning", access_log=False, lifespan="off")
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


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


def _app(checks: Mapping[str, Check]) -> Starlette:
    async def health(request: Request) -> JSONResponse:
        found = await examined(checks)
        return JSONResponse(found, status_code=200 if set(found.values()) <= {"ok"} else 503)

    return Starlette(routes=[Route("/health", health)])


class _Server(uvicorn.Server):
    """In a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
