"""Git LFS over http: the batch API with the basic transfer, contents beside the repository's objects."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from fakes.forge.auth import Keys
from fakes.forge.forge import Forge
from fakes.forge.store import Repository

_MEDIA_TYPE = "application/vnd.git-lfs+json"


class LfsHttp:
    """The addresses below a repository that git-lfs asks."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

    def routes(self) -> list[Route]:
        below = "/{owner}/{repo}/info/lfs/objects"
        return [
            Route(f"{below}/batch", self._batch, methods=["POST"]),
            Route(f"{below}/{{oid:str}}", self._take, methods=["PUT"]),
            Route(f"{below}/{{oid:str}}", self._give, methods=["GET"]),
        ]

    async def _batch(self, request: Request) -> Response:
        wanted = await request.json()
        found = self._allowed(request, wanted["operation"] == "upload")
        if isinstance(found, Response):
            return found
        objects = [_offer(request, wanted["operation"], found, each) for each in wanted["objects"]]
        return JSONResponse({"transfer": "basic", "objects": objects}, media_type=_MEDIA_TYPE)

    async def _take(self, request: Request) -> Response:
        found = self._allowed(request, True)
        if isinstance(found, Response):
            return found
        content, oid = await request.body(), request.path_params["oid"]
        if hashlib.sha256(content).hexdigest() != oid:
            return _refusal(422, "The content is another than its oid says.")
        await asyncio.to_thread(_keep, _place(found, oid), content)
        return Response(status_code=200)

    async def _give(self, request: Request) -> Response:
        found = self._allowed(request, False)
        return found if isinstance(found, Response) else FileResponse(_place(found, request.path_params["oid"]))

    def _allowed(self, request: Request, writes: bool) -> Repository | Response:
        """The repository, or why the caller may not do this to it: as with git itself."""
        parts = request.path_params
        found = self._forge.store.find(parts["owner"], parts["repo"])
        account = Keys(self._forge.store).caller(request.headers.get("authorization"))
        if account is None and (writes or found is None or found.record.private):
            return _refusal(401, "Credentials needed")
        if found is None:
            return _refusal(404, "Not found")
        return _refusal(403, "Forbidden") if writes and account and not account.pushes else found


def _offer(request: Request, operation: str, repository: Repository, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the client is told of one object: where to send or to get it, or that it is there already."""
    told = {"oid": wanted["oid"], "size": wanted["size"], "authenticated": True}
    is_there = _place(repository, wanted["oid"]).exists()
    if operation == "download" and not is_there:
        return {**told, "error": {"code": 404, "message": "Object does not exist"}}
    if operation == "upload" and is_there:
        return told
    href = str(request.url).removesuffix("batch") + wanted["oid"]
    header = {"Authorization": request.headers["authorization"]} if "authorization" in request.headers else {}
    return {**told, "actions": {operation: {"href": href, "header": header}}}


def _place(repository: Repository, oid: str) -> Path:
    return repository.git.path / "lfs" / "objects" / oid[:2] / oid[2:4] / oid


def _keep(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def _refusal(status: int, message: str) -> Response:
    challenge = {"LFS-Authenticate": 'Basic realm="GitHub"'} if status == 401 else {}
    return JSONResponse({"message": message}, status, challenge, media_type=_MEDIA_TYPE)
