"""A tiny server that answers each path as a test says: for what no forge would, or what the fake one doesn't."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answerer = Callable[[Request], Response]


class Server:
    """Answers each request as it is told, and keeps what was asked with which credentials."""

    def __init__(self) -> None:
        self.answers: dict[str, Answerer] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.url = ""

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append((request.method, path, request.headers.get("authorization", "")))
        chosen = self.answers.get(path)
        return chosen(request) if chosen else JSONResponse({"message": "Not Found"}, 404)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    app = Starlette(routes=[Route("/{path:path}", server.answer, methods=["GET", "POST", "PATCH"])])
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    sockets = [socket.create_server(("127.0.0.1", 0))]
    server.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    task = asyncio.create_task(running.serve(sockets=sockets))
    try:
        yield server
    finally:
        running.should_exit = True
        await task


def answering(content: object) -> Answerer:
    return lambda _: JSONResponse(content)
