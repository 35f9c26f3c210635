"""Git's smart protocol over http: clone, fetch and push with the machine's own git, streamed both ways."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fakes.forge.api_errors import Answered
from fakes.forge.auth import Keys
from fakes.forge.bare_git import git_environment
from fakes.forge.forge import Forge
from fakes.forge.pulls import follow_branches
from fakes.forge.push_rules import refusal
from fakes.forge.store import Repository

_CHUNK = 64 * 1024
_SERVICES = ("git-upload-pack", "git-receive-pack")


class GitHttp:
    """The three addresses below a repository that git itself asks."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

    def routes(self) -> list[Route]:
        return [
            Route("/{owner:path}/{repo}/info/refs", _Endpoint(self._advertise), methods=["GET"]),
            *(
                Route(f"/{{owner:path}}/{{repo}}/{service}", _Endpoint(self._serve), methods=["POST"])
                for service in _SERVICES
            ),
        ]

    async def _advertise(self, request: Request, send: Send) -> None:
        service = request.query_params.get("service", "")
        if service not in _SERVICES:
            raise Answered(403, "Please upgrade your git client.")
        repository = self._allowed(request, service)
        announcement = f"# service={service}\n"
        first = f"{len(announcement) + 4:04x}{announcement}0000".encode()
        async with _git_service(repository, service, request, "--http-backend-info-refs") as process:
            await _answer(process, send, f"application/x-{service}-advertisement", first)

    async def _serve(self, request: Request, send: Send) -> None:
        service = request.url.path.rpartition("/")[2]
        repository = self._allowed(request, service)
        if service == "git-receive-pack" and (said := await self._refusal(repository, request)):
            await Response(said, media_type=f"application/x-{service}-result")(request.scope, request.receive, send)
            return
        async with _git_service(repository, service, request) as process:
            feeding = asyncio.create_task(_feed(request, process))
            try:
                await _answer(process, send, f"application/x-{service}-result", b"")
                await feeding
            finally:
                feeding.cancel()
        if service == "git-receive-pack":
            await follow_branches(repository)

    async def _refusal(self, repository: Repository, request: Request) -> bytes | None:
        """What a push is answered that breaks a rule of its branch; what has been read stays with the request."""
        rules = repository.record.push_rules
        if not rules:
            return None
        body = await request.body()
        packed = request.headers.get("content-encoding") == "gzip"
        return refusal(rules, gzip.decompress(body) if packed else body, self._forge.addresses.page(repository.record))

    def _allowed(self, request: Request, service: str) -> Repository:
        """The repository, if the caller may do this to it; as GitHub, 401 wherever credentials might help."""
        parts = request.path_params
        repository = self._forge.store.find(parts["owner"], parts["repo"])
        keys = Keys(self._forge.store)
        account = keys.caller(request.headers.get("authorization"))
        pushes = service == "git-receive-pack"
        if account is None and (pushes or repository is None or repository.record.private):
            raise Answered(401, "Authentication required.")
        if repository is None:
            raise Answered(404, "Repository not found.")
        if pushes and account is not None and not account.pushes:
            name = repository.record.full_name
            raise Answered(403, f"Permission to {name}.git denied to {account.login}.")
        return repository


class _Endpoint:
    """An ASGI application of its own: a response of Starlette's would read the body while git does."""

    def __init__(self, serve: Callable[[Request, Send], Awaitable[None]]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            await self._serve(request, send)
        except Answered as refusal:
            challenge = {"WWW-Authenticate": 'Basic realm="GitHub"'} if refusal.status == 401 else {}
            response = Response(f"{refusal.message}\n", refusal.status, challenge, media_type="text/plain")
            await response(scope, receive, send)
        except ClientDisconnect:
            return  # nobody is left to answer


@asynccontextmanager
async def _git_service(repository: Repository, service: str, request: Request, *flags: str) -> AsyncIterator[Process]:
    # The client's protocol version is the one header that git's own programs read.
    version = request.headers.get("git-protocol", "")
    process = await asyncio.create_subprocess_exec(
        "git",
        service.removeprefix("git-"),
        "--stateless-rpc",
        *flags,
        str(repository.git.path),
        env=git_environment() | ({"GIT_PROTOCOL": version} if version else {}),
        stdin=DEVNULL if flags else PIPE,
        stdout=PIPE,
        stderr=DEVNULL,  # what the client has to know is in the protocol
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _feed(request: Request, process: Process) -> None:
    """Pass the request's body on, unpacked; a git that has ended needs no more of it."""
    assert process.stdin is not None
    unpack = zlib.decompressobj(wbits=47) if request.headers.get("content-encoding") == "gzip" else None
    with suppress(BrokenPipeError, ConnectionResetError):
        async for chunk in request.stream():
            process.stdin.write(unpack.decompress(chunk) if unpack else chunk)
            await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _answer(process: Process, send: Send, media_type: str, first: bytes) -> None:
    """Send what git writes, and wait for its end."""
    assert process.stdout is not None
    headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": first, "more_body": True})
    while chunk := await process.stdout.read(_CHUNK):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await process.wait()
    await send({"type": "http.response.body", "body": b""})
