"""The fake model server's routes: each API, and a control endpoint for tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fakes.models import completions, gemini, messages, responses
from fakes.models.answers import ApiRefusal, Json, event
from fakes.models.completions import CompletionsRequest
from fakes.models.gemini import GeminiRequest
from fakes.models.messages import MessagesRequest
from fakes.models.player import Api, ModelRequest, Player
from fakes.models.responses import ResponsesRequest
from fakes.models.script import Cut, Error, ErrorKind, Hang, Reply, Script, Turn

_ASIDE = Turn(reply="turn", text="ok")
_NOTHING = Error(reply="error", error=ErrorKind.BAD_REQUEST)
_DONE = b"data: [DONE]\n\n"
_COUNTS, _STREAMS = "countTokens", "streamGenerateContent"


class Dialect(Protocol):
    """One API: what its answers look like."""

    def whole(self, turn: Turn, asked: ModelRequest) -> Json: ...
    def events(self, turn: Turn, asked: ModelRequest) -> list[Json]: ...
    def refusal(self, error: Error, now: float) -> ApiRefusal: ...
    def failed(self, error: Error, model: str) -> list[Json] | None: ...


_DIALECTS: dict[Api, Dialect] = {
    Api.MESSAGES: messages,
    Api.RESPONSES: responses,
    Api.COMPLETIONS: completions,
    Api.GEMINI: gemini,
}
_COMPLETING = {Api.MESSAGES: 3, Api.RESPONSES: 3, Api.COMPLETIONS: 2, Api.GEMINI: 1}
"""How many of a reply's last events make it complete."""
ApiRequest = MessagesRequest | ResponsesRequest | CompletionsRequest | GeminiRequest


class _Stream(Response):
    """Server-sent events; what comes after them is the whole, a silence or a cut."""

    def __init__(self, events: Sequence[Json], after: Cut | Hang | None = None, *, end: bytes = b"") -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self._events = events
        self._after = after
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for each in self._events:
            await send({"type": "http.response.body", "body": event(each), "more_body": True})
        if isinstance(self._after, Hang):
            while (await receive())["type"] != "http.disconnect":
                pass
        elif self._after is None:
            await send({"type": "http.response.body", "body": self._end})
        # After a cut nothing is sent: the server closes the connection of an answer that was left unfinished.


def build_app(player: Player) -> Starlette:
    """The server of one script."""

    async def ask_messages(request: Request) -> Response:
        return await _answer(request, MessagesRequest.model_validate_json, player)

    async def ask_responses(request: Request) -> Response:
        return await _answer(request, ResponsesRequest.model_validate_json, player)

    async def ask_completions(request: Request) -> Response:
        return await _answer(request, CompletionsRequest.model_validate_json, player)

    async def ask_gemini(request: Request) -> Response:
        model, _, method = request.path_params["call"].partition(":")
        if method == _COUNTS:
            return JSONResponse({"totalTokens": len(await request.body()) // 4})

        def read(body: bytes) -> GeminiRequest:
            about = {"model": model, "stream": method == _STREAMS}
            return GeminiRequest.model_validate_json(body).model_copy(update=about)

        return await _answer(request, read, player)

    async def count(request: Request) -> Response:
        return JSONResponse({"input_tokens": len(await request.body()) // 4})

    async def played(request: Request) -> Response:
        return Response(player.played().model_dump_json(), media_type="application/json")

    async def load(request: Request) -> Response:
        try:
            player.load(Script.model_validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, 422)
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/v1/messages", ask_messages, methods=["POST"]),
            Route("/v1/messages/count_tokens", count, methods=["POST"]),
            Route("/v1/responses", ask_responses, methods=["POST"]),
            Route("/v1/chat/completions", ask_completions, methods=["POST"]),
            Route("/v1beta/models/{call}", ask_gemini, methods=["POST"]),
            Route("/control", played, methods=["GET"]),
            Route("/control/script", load, methods=["PUT"]),
        ]
    )


async def _answer(request: Request, read: Callable[[bytes], ApiRequest], player: Player) -> Response:
    try:
        asked = read(await request.body()).asked(_credential(request))
    except ValidationError as error:
        return JSONResponse({"error": {"type": "invalid_request_error", "message": str(error)}}, 400)
    reply = player.next_reply(asked)
    return await _given(reply or (_ASIDE if asked.is_aside else _NOTHING), asked)


def _credential(request: Request) -> str:
    given = request.headers
    key = given.get("x-api-key") or given.get("x-goog-api-key")
    return key or given.get("authorization", "").removeprefix("Bearer ")


async def _given(reply: Reply, asked: ModelRequest) -> Response:
    dialect = _DIALECTS[asked.api]
    match reply:
        case Turn():
            await asyncio.sleep(reply.after)
            if not asked.streams:
                return JSONResponse(dialect.whole(reply, asked))
            return _Stream(dialect.events(reply, asked), end=_DONE if asked.api is Api.COMPLETIONS else b"")
        case Error():
            return _refused(reply, asked, dialect)
        case Hang() | Cut():
            # What of it comes has its text in it, and nothing that makes it complete.
            begun = dialect.events(Turn(reply="turn", text=reply.text), asked)
            return _Stream(begun[: -_COMPLETING[asked.api]], reply)


def _refused(error: Error, asked: ModelRequest, dialect: Dialect) -> Response:
    failed = dialect.failed(error, asked.model)
    if failed and asked.streams:
        return _Stream(failed)
    refusal = dialect.refusal(error, time.time())
    return JSONResponse(refusal.body, refusal.status, refusal.headers)
