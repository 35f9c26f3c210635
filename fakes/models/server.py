"""The fake model server's routes: both APIs, and a control endpoint for tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fakes.models import messages, responses
from fakes.models.answers import ApiRefusal, Json, event
from fakes.models.messages import MessagesRequest
from fakes.models.player import Api, ModelRequest, Player
from fakes.models.responses import ResponsesRequest
from fakes.models.script import Cut, Error, ErrorKind, Hang, Reply, Script, Turn

_ASIDE = Turn(reply="turn", text="ok")
_NOTHING = Error(reply="error", error=ErrorKind.BAD_REQUEST)


class _Stream(Response):
    """Server-sent events; what comes after them is the whole, a silence or a cut."""

    def __init__(self, events: Sequence[Json], after: Cut | Hang | None = None) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self._events = events
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for each in self._events:
            await send({"type": "http.response.body", "body": event(each), "more_body": True})
        if isinstance(self._after, Hang):
            while (await receive())["type"] != "http.disconnect":
                pass
        elif self._after is None:
            await send({"type": "http.response.body", "body": b""})
        # After a cut nothing is sent: the server closes the connection of an answer that was left unfinished.


def build_app(player: Player) -> Starlette:
    """The server of one script."""

    async def ask_messages(request: Request) -> Response:
        return await _answer(request, MessagesRequest, player)

    async def ask_responses(request: Request) -> Response:
        return await _answer(request, ResponsesRequest, player)

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
            Route("/control", played, methods=["GET"]),
            Route("/control/script", load, methods=["PUT"]),
        ]
    )


async def _answer(request: Request, api: type[MessagesRequest] | type[ResponsesRequest], player: Player) -> Response:
    try:
        asked = api.model_validate_json(await request.body()).asked(_credential(request))
    except ValidationError as error:
        return JSONResponse({"error": {"type": "invalid_request_error", "message": str(error)}}, 400)
    reply = player.next_reply(asked)
    return await _given(reply or (_ASIDE if asked.is_aside else _NOTHING), asked)


def _credential(request: Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")


async def _given(reply: Reply, asked: ModelRequest) -> Response:
    match reply:
        case Turn():
            await asyncio.sleep(reply.after)
            return _Stream(_events(reply, asked)) if asked.streams else JSONResponse(_whole(reply, asked))
        case Error():
            return _refused(reply, asked)
        case Hang() | Cut():
            begun = _events(Turn(reply="turn", text=reply.text), asked)
            # The last three events, or the last two, are what makes the reply complete.
            return _Stream(begun[:-3], reply)


def _refused(error: Error, asked: ModelRequest) -> Response:
    failed = responses.failed(error, asked.model) if asked.api is Api.RESPONSES else None
    if failed and asked.streams:
        return _Stream(failed)
    api = messages if asked.api is Api.MESSAGES else responses
    refusal: ApiRefusal = api.refusal(error, time.time())
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


def _events(turn: Turn, asked: ModelRequest) -> list[Json]:
    if asked.api is Api.MESSAGES:
        return messages.events(turn, asked.model)
    return responses.events(turn, asked.model, asked.tools)


def _whole(turn: Turn, asked: ModelRequest) -> Json:
    if asked.api is Api.MESSAGES:
        return messages.message(turn, asked.model)
    return responses.response(turn, asked.model, asked.tools)
