"""One API call: who calls, on which repository, with which body; and how its answer becomes a response."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.documents import read_json
from domain.errors import DocumentBroken
from domain.problems import first_problem
from fakes.forge.api_errors import Answered, not_found
from fakes.forge.auth import Keys
from fakes.forge.auto_merging import merge_what_is_ready
from fakes.forge.dialect import Dialect, Paging
from fakes.forge.forge import Forge
from fakes.forge.issue_records import Issue
from fakes.forge.pulls import follow_branches
from fakes.forge.records import Account, Pull
from fakes.forge.store import Repository

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class ApiAnswer:
    json: object = None
    status: int = 200
    text: str | None = None
    """In place of JSON: another media type, such as a diff."""
    headers: dict[str, str] = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    """Fields that the ETag doesn't move with."""


@dataclass(frozen=True)
class Call:
    forge: Forge
    request: Request
    account: Account | None
    dialect: Dialect
    given: object = None
    """One of a list of bodies; None: the request has one."""

    @property
    def login(self) -> str:
        """Whose call it is; Answered with 401 for nobody's."""
        if self.account is None:
            raise Answered(401, "Requires authentication")
        return self.account.login

    def number(self, name: str) -> int:
        return int(self.request.path_params[name])

    def repository(self) -> Repository:
        """The repository in the path; 404 where there is none, or none that the caller may see."""
        parts = self.request.path_params
        found = self.forge.store.find(parts["owner"], parts["repo"])
        if found is None or (found.record.private and self.account is None):
            raise not_found()
        return found

    async def pull(self) -> tuple[Repository, Pull]:
        """The pull request in the path, as its branches are now."""
        repository = self.repository()
        await follow_branches(repository)
        await merge_what_is_ready(repository, self.forge.mergeabilities)
        pull = repository.record.pull(self.number("number"))
        if pull is None:
            raise not_found()
        return repository, pull

    def issue(self) -> tuple[Repository, Issue]:
        """The issue in the path; 410 where it was deleted, as GitHub says it."""
        repository = self.repository()
        issue = repository.record.issue(self.number("number"))
        if issue is None:
            raise not_found()
        if issue.deleted:
            raise Answered(410, "This issue was deleted")
        return repository, issue

    async def talked_about(self) -> tuple[Repository, int]:
        """The repository, and the number of the issue or pull request in the path."""
        if self.repository().record.issue(self.number("number")):
            repository, issue = self.issue()
            return repository, issue.number
        repository, pull = await self.pull()
        return repository, pull.number

    async def body(self, model: type[Body]) -> Body:
        """The request's body; 400 or 422 with GitHub's words where it isn't one."""
        given = _parsed(await self.request.body()) if self.given is None else self.given
        try:
            return model.model_validate(given)
        except ValidationError as error:
            raise Answered(422, f"Invalid request.\n\n{first_problem(error)}") from error

    def page(self, items: Sequence[Any]) -> tuple[Sequence[Any], dict[str, str]]:
        """The items of the page that is asked for, and the headers that lead to the others."""
        wanted = self._query_number(self.dialect.size, self.dialect.usual_size)
        size = min(max(wanted, 1), self.dialect.largest_size)
        page = max(self._query_number("page", 1), 1)
        headers = dict(self.dialect.paged(Paging(self.request.url, page, size, len(items))))
        return items[(page - 1) * size : page * size], headers

    def _query_number(self, name: str, default: int) -> int:
        value = self.request.query_params.get(name, "")
        return int(value) if value.isdecimal() and len(value) < 10 else default


Handler = Callable[[Call], Awaitable[ApiAnswer]]


class Routes:
    """Makes routes of handlers. `GET` may be anybody's, everything else needs a token that may write; the control API
    needs the forge's own token for everything."""

    def __init__(self, forge: Forge, dialect: Dialect, *, control: bool = False) -> None:
        self._forge = forge
        self._dialect = dialect
        self._control = control

    def route(self, path: str, **handlers: Handler) -> Route:
        """One path; `handlers` by method."""

        async def endpoint(request: Request) -> Response:
            try:
                method = "GET" if request.method == "HEAD" else request.method
                answer = await self._answer(request, method, handlers[method])
            except Answered as refusal:
                return refusal_response(self._dialect, refusal)
            return _response(self._dialect, request, answer)

        return Route(path, endpoint, methods=list(handlers))

    async def _answer(self, request: Request, method: str, handler: Handler) -> ApiAnswer:
        keys = Keys(self._forge.store)
        account = keys.caller(request.headers.get("authorization"))
        if self._control:
            keys.check_is_own(account)
        elif method != "GET" and not request.url.path.endswith("/graphql"):  # there the mutations ask
            keys.check_may_write(account)
        if account is not None and not self._control:
            self._dialect.permits(account, method, request.url.path)
        call = Call(self._forge, request, account, self._dialect)
        raw = await request.body() if self._control else b""
        if not raw.startswith(b"["):
            return await handler(call)
        answers = [await handler(replace(call, given=each)) for each in _parsed(raw)]
        return ApiAnswer([each.json for each in answers])


def _parsed(raw: bytes) -> Any:
    try:
        return read_json(raw or b"{}")
    except DocumentBroken as error:
        raise Answered(400, "Problems parsing JSON") from error


def refusal_response(dialect: Dialect, refusal: Answered) -> Response:
    return _json_response(dialect.refusal(refusal), refusal.status, refusal.headers)


def _response(dialect: Dialect, request: Request, answer: ApiAnswer) -> Response:
    if answer.status == 204:
        return Response(status_code=204, headers=answer.headers)
    if answer.text is not None:
        return Response(answer.text, answer.status, answer.headers, media_type="text/plain; charset=utf-8")
    response = _json_response(answer.json, answer.status, answer.headers)
    if dialect.has_etags and request.method in ("GET", "HEAD") and answer.status == 200:
        tag = f'W/"{hashlib.sha256(_tagged(answer)).hexdigest()}"'
        response.headers["ETag"] = tag
        response.headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
        if tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers={"ETag": tag})
    return response


def _tagged(answer: ApiAnswer) -> bytes:
    """What an ETag is of: neither what GitHub works out later, nor the links to other pages (from memory)."""
    told = answer.json
    if isinstance(told, dict):
        told = {name: value for name, value in told.items() if name not in answer.untold}
    return json.dumps(told).encode()


def _json_response(value: object, status: int, headers: dict[str, str]) -> Response:
    content = json.dumps(value, ensure_ascii=False)
    return Response(content, status, headers, media_type="application/json; charset=utf-8")
