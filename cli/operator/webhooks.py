"""`webhooks`: let forges wake intakes, in place of waiting for the next poll (rule 7.9)."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.operator.command_group import Commands
from cli.operator.http_serving import LOOPBACK, address, listen, serve, shown
from cli.operator.printing import print_lines
from domain.errors import NotReachable, Refused, SettingsError
from domain.intake.webhooks import SHORTEST_SECRET, is_proved, proves, repository_of
from steering.given_files import read_given
from steering.waking import Waker

PATH = "/webhook"
LONGEST_DELIVERY = 1024 * 1024
"""Bytes: an issue and a comment have at most 64 KiB each at the forges."""
READ_WITHIN = 10.0
"""Seconds."""


class WebhooksCommand(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command()(self.webhooks)

    def webhooks(
        self,
        secret_file: Annotated[
            Path, typer.Option(help="A file of yours alone with the secret that the forges are told, too.")
        ],
        http: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen.")] = "127.0.0.1:8767",
        behind_proxy: Annotated[
            bool, typer.Option("--behind-proxy", help="HOST may be reached by others: a proxy there brings the TLS.")
        ] = False,
    ) -> None:
        """Receive webhooks of forges: an intake looks at once, in place of at its next poll; docs/intake.md.

        Example: starter.py webhooks --secret-file ~/.config/makima/webhook-secret
        """
        self.run(self._webhooks(secret_file, http, behind_proxy=behind_proxy))

    async def _webhooks(self, secret_file: Path, http: str, *, behind_proxy: bool) -> int:
        try:
            import uvicorn  # noqa: F401, PLC0415 - of an extra
        except ImportError as error:
            raise SettingsError("the server's library is missing: install makima-directives[mcp]") from error
        secret = secret_in(secret_file)
        host, port = address("--http", http)
        if host not in LOOPBACK and not behind_proxy:
            raise Refused(f"{host} is reached by others: put TLS before it, and say so by --behind-proxy")
        listening = listen(host, port)
        waker = Waker(self.connections.temporal, self.connections.owner)
        print_lines([f"{shown(listening)}{PATH}"])
        try:
            await serve(Webhooks(secret, waker.wake), listening, bounded=True)
        finally:
            await waker.close()
        return 0


def secret_in(file: Path) -> bytes:
    """Refused where others may read it, or where it could be guessed."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise Refused(f"{file} can't be read: {error.strerror or error}") from error
    if not stat.S_ISREG(mode):  # a pipe would be waited for, a device never ends
        raise Refused(f"{file} is no file: give one with a line of at least {SHORTEST_SECRET} characters")
    if stat.S_IMODE(mode) & 0o077:
        raise Refused(f"others may read {file}: `chmod 600` it")
    secret = read_given("--secret-file", file, 4096).strip().encode()
    if len(secret) < SHORTEST_SECRET or not secret.isascii() or b"\n" in secret:
        raise Refused(f"{file} needs one line of at least {SHORTEST_SECRET} characters: `openssl rand -hex 32`")
    return secret


class Webhooks:
    """The application: who can't prove to know the secret learns nothing, and who can wakes an intake, nothing more."""

    def __init__(self, secret: bytes, wake: Callable[[str], Awaitable[bool]]) -> None:
        self._secret = secret
        self._wake = wake

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            status = await self._status(scope, receive)
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": int(status), "headers": headers})
            await send({"type": "http.response.body", "body": b""})

    async def _status(self, scope: Any, receive: Any) -> HTTPStatus:
        if scope["path"] != PATH:
            return HTTPStatus.NOT_FOUND
        if scope["method"] != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED
        return await self._delivered(scope["headers"], receive)

    async def _delivered(self, headers: Any, receive: Any) -> HTTPStatus:
        if not proves(headers):
            return HTTPStatus.UNAUTHORIZED
        try:
            async with asyncio.timeout(READ_WITHIN):
                body = await _body(receive)
        except TimeoutError:
            return HTTPStatus.REQUEST_TIMEOUT
        if body is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if not is_proved(headers, body, self._secret):
            return HTTPStatus.UNAUTHORIZED
        return await self._woken(repository_of(body))

    async def _woken(self, repository: str) -> HTTPStatus:
        if not repository:
            return HTTPStatus.BAD_REQUEST
        try:
            return HTTPStatus.ACCEPTED if await self._wake(repository) else HTTPStatus.NOT_FOUND
        except NotReachable:  # the intake looks at its next poll
            return HTTPStatus.SERVICE_UNAVAILABLE


async def _body(receive: Any) -> bytes | None:
    """None: it is too long, or its sender has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > LONGEST_DELIVERY:
            return None
        if not message.get("more_body"):
            return bytes(body)
