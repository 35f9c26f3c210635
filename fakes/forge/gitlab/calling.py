"""One call of GitLab's API: on which project, with which body; and how it says no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel, ValidationError
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.documents import read_json
from domain.errors import DocumentBroken
from domain.problems import first_problem
from fakes.forge.api_errors import Answered
from fakes.forge.auto_merging import merge_what_is_ready
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.gitlab.shapes import Shapes
from fakes.forge.pulls import follow_branches
from fakes.forge.records import Pull
from fakes.forge.store import Repository

Body = TypeVar("Body", bound=BaseModel)
API = "/api/v4"
PROJECT = f"{API}/projects/{{project}}"
_FORMS = "application/x-www-form-urlencoded"


class Said(Answered):
    """An answer other than success; `told` is a string, a list or an object of lists, as GitLab has it."""

    def __init__(
        self, status: int, told: object, *, field: str = "message", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, str(told), headers=headers)
        self.told = {field: told}


class GitLabCall(Call):
    """See fakes.forge.calling.Call."""

    @property
    def shapes(self) -> Shapes:
        return Shapes(self.forge.url)

    def part(self, name: str) -> str:
        """A part of the path, as it was before it was encoded."""
        return unquote(str(self.request.path_params[name]))

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default)

    def repository(self) -> Repository:
        """The project in the path, by its number or its full path; 404 where there is none, or none to be seen."""
        asked = self.part("project")
        found = next((each for each in self.forge.store.all() if str(each.record.id) == asked), None)
        if found is None:
            found = self.forge.store.find(*asked.rpartition("/")[::2])
        if found is None or (found.record.private and self.account is None):
            raise Said(404, "404 Project Not Found")
        if not asked.isdecimal() and asked.lower() != found.record.full_name.lower():
            raise self._moved(found.record.id)
        return found

    async def pull(self) -> tuple[Repository, Pull]:
        """The merge request in the path, as its branches are now."""
        repository = self.repository()
        await follow_branches(repository)
        await merge_what_is_ready(repository, self.forge.mergeabilities)
        pull = repository.record.pull(self.number("iid"))
        if pull is None:
            raise Said(404, "404 Not found")
        return repository, pull

    async def body(self, model: type[Body]) -> Body:
        """The request's body: JSON, a form, or the query; 400 with GitLab's words where it isn't one."""
        raw = await self.request.body()
        given: Any = dict(self.request.query_params)
        try:
            if self.request.headers.get("content-type", "").startswith(_FORMS):
                given |= dict(parse_qsl(raw.decode(), keep_blank_values=True))
            elif raw:
                given |= read_json(raw)
            return model.model_validate(given)
        except ValidationError as error:
            raise Said(400, first_problem(error), field="error") from error
        except (DocumentBroken, TypeError, UnicodeDecodeError) as error:
            raise Said(400, "400 Bad Request") from error

    def listed(self, items: Sequence[Any]) -> ApiAnswer:
        """One page of shapes."""
        shown, headers = self.page(items)
        return ApiAnswer(list(shown), headers=headers)

    def _moved(self, project: int) -> Said:
        """Who reads is sent on, and nobody else."""
        if self.request.method != "GET":
            return Said(405, "405 Non GET methods are not allowed for moved projects")
        rest = self.request.url.path.split("/", 5)[5:]
        to = self.request.url.replace(path="/".join((f"{API}/projects/{project}", *rest)))
        return Said(301, "301 Moved Permanently", headers={"Location": str(to)})


Handler = Callable[[GitLabCall], Awaitable[ApiAnswer]]


def route(api: Routes, path: str, **handlers: Handler) -> Route:
    """One path; `handlers` by method."""

    def of(handler: Handler) -> Callable[[Call], Awaitable[ApiAnswer]]:
        return lambda call: handler(GitLabCall(call.forge, call.request, call.account, call.dialect))

    return api.route(path, **{method: of(handler) for method, handler in handlers.items()})


class EncodedSlashes:
    """Lets a project's path or a branch's name be one part of an address: `%2F` in it is no slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path", b"").partition(b"?")[0].decode("ascii", "replace")
        if scope["type"] == "http" and raw.startswith(API):
            kept = raw.replace("%2f", "%2F").split("%2F")
            scope = {**scope, "path": "%2F".join(unquote(each) for each in kept)}
        await self._app(scope, receive, send)


class PrivateTokens:
    """Takes GitLab's own header for what every forge takes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API):
            headers: list[tuple[bytes, bytes]] = list(scope["headers"])
            given = [b"Bearer " + value for name, value in headers if name == b"private-token"]
            scope = {**scope, "headers": [*headers, *((b"authorization", each) for each in given)]}
        await self._app(scope, receive, send)
