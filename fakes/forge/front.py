"""The forge's front: notes every request, lets it fail by order, and counts it against a rate limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fakes.forge.api_errors import Answered
from fakes.forge.auth import Keys
from fakes.forge.calling import refusal_response
from fakes.forge.dialect import Dialect, Passed
from fakes.forge.exchanges import KEPT_HEADERS, Exchange
from fakes.forge.forge import BODY_KEPT, Forge
from fakes.forge.injected_failures import FailureKind, FailureOrder
from fakes.forge.records import Account

_GRAPHQL_FAILED = "Something went wrong while executing your query on 2026-01-01T00:00:00Z."
_GIT = re.compile(r"/(info/refs|git-upload-pack|git-receive-pack)$")


@dataclass
class _Exchange:
    """One request on its way through, and what was answered."""

    scope: Scope
    account: Account | None
    dialect: Dialect
    path: str
    """As a test names it."""
    body: bytearray = field(default_factory=bytearray)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytearray = field(default_factory=bytearray)
    noted: bool = False

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def is_of_api(self) -> bool:
        return bool(self.dialect.paths.match(self.path))

    def recording(self, receive: Receive) -> Receive:
        """`receive`, with a copy of what passes."""

        async def received() -> Message:
            message = await receive()
            if not _GIT.search(self.path):
                room = None if self.is_of_api else BODY_KEPT - len(self.body)
                self.body += message.get("body", b"")[:room]
            return message

        return received


class Front:
    """Stands before the whole application; the control API passes it untouched."""

    def __init__(self, app: ASGIApp, forge: Forge, dialects: Sequence[Dialect]) -> None:
        """The first of `dialects` speaks where no API is asked."""
        self._app = app
        self._forge = forge
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_control"):
            await self._app(scope, receive, send)
            return
        dialect = self._dialect(scope["path"])
        path = dialect.named(self._forge, scope["path"])
        exchange = _Exchange(scope, self._account(scope), dialect, path)
        order = self._forge.failures.take(exchange.method, exchange.path)
        hearing, answering = exchange.recording(receive), self._answering(exchange, send)
        try:
            if order is None:
                await self._app(scope, hearing, answering)
            else:
                await self._fail(order, exchange, hearing, answering)
        finally:
            self._note(exchange, order)

    async def _fail(self, order: FailureOrder, exchange: _Exchange, receive: Receive, send: Send) -> None:
        if order.acts:
            await self._app(exchange.scope, receive, _into_the_void)
        else:
            await _drain(receive)
        match order.kind:
            case FailureKind.ACTED_THEN_SILENT | FailureKind.SILENT:
                self._note(exchange, order)  # now: who asks what was received must not wait for the time-out
                while (await receive())["type"] != "http.disconnect":
                    pass
            case FailureKind.ACTED_THEN_CUT:
                # An answer that is shorter than announced makes the server close the connection.
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
            case FailureKind.GRAPHQL_ERROR:
                told = {"data": None, "errors": [{"message": order.message or _GRAPHQL_FAILED}]}
                await JSONResponse(told)(exchange.scope, receive, send)
            case FailureKind.LOG_HOST_UNREACHABLE:
                # Port 1 of this machine: nobody listens there.
                away = Response(status_code=302, headers={"Location": "http://localhost:1/logs.txt"})
                await away(exchange.scope, receive, send)
            case FailureKind.SERVER_ERROR:
                page = f"<html><body><h1>{order.status} {order.message or 'Bad Gateway'}</h1></body></html>"
                await Response(page, order.status, media_type="text/html")(exchange.scope, receive, send)
            case _:
                await refusal_response(exchange.dialect, exchange.dialect.failed(order))(exchange.scope, receive, send)

    def _answering(self, exchange: _Exchange, send: Send) -> Send:
        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                if exchange.is_of_api:
                    self._add_headers(MutableHeaders(scope=message), exchange)
                    exchange.headers = dict(Headers(raw=message["headers"]).items())
            elif exchange.is_of_api:
                exchange.answer += message.get("body", b"")
            await send(message)

        return answering

    def _add_headers(self, headers: MutableHeaders, exchange: _Exchange) -> None:
        passed = Passed(exchange.path, exchange.status, exchange.account)
        for name, value in exchange.dialect.headers(self._forge, passed).items():
            headers.setdefault(name, value)

    def _dialect(self, path: str) -> Dialect:
        return next((each for each in self._dialects if each.paths.match(path)), self._dialects[0])

    def _account(self, scope: Scope) -> Account | None:
        try:
            return Keys(self._forge.store).caller(Headers(scope=scope).get("authorization"))
        except Answered:
            return None

    def _note(self, exchange: _Exchange, order: FailureOrder | None) -> None:
        if exchange.noted:
            return
        exchange.noted = True
        self._forge.received.note(
            method=exchange.method,
            path=exchange.path,
            query=exchange.scope["query_string"].decode(),
            login=exchange.account.login if exchange.account else "",
            user_agent=Headers(scope=exchange.scope).get("user-agent", ""),
            body=bytes(exchange.body),
            status=exchange.status,
            failure=order.kind.value if order else "",
        )
        if exchange.is_of_api:
            self._forge.recorder.note(_recorded(exchange, order))


def _recorded(exchange: _Exchange, order: FailureOrder | None) -> Exchange:
    return Exchange(
        method=exchange.method,
        path=exchange.path,
        query=exchange.scope["query_string"].decode(),
        user_agent=Headers(scope=exchange.scope).get("user-agent", ""),
        request=exchange.body.decode(errors="replace"),
        status=exchange.status,
        headers={name: exchange.headers[name] for name in KEPT_HEADERS if name in exchange.headers},
        answer=exchange.answer.decode(errors="replace"),
        failure=order.kind.value if order else "",
    )


async def _drain(receive: Receive) -> None:
    """Take the whole request: a client that is still sending would see a broken connection in place of the answer."""
    while (await receive()).get("more_body", False):
        pass


async def _into_the_void(message: Message) -> None:
    """Where the answer of a request goes that was acted upon and never answered."""
