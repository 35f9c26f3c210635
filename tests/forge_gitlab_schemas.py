"""Holds what the fake answers as GitLab, and what the adapter sends there, to the schemas at hand.

Of requests nothing is described: the fields that the adapter may send are listed here, from memory of GitLab's
documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from fakes.forge.exchanges import Exchange

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

API = "/api/v4"
NOT_AT_HAND = "no schema of its answer is at hand"
_REQUEST = r"/projects/[^/]+/merge_requests/\d+"
LEFT_OUT = {
    r"GET /(user|users|version)": NOT_AT_HAND,
    r"GET /projects/[^/]+/repository/(compare|branches)": NOT_AT_HAND,
    r"GET /projects/[^/]+/pipelines/\d+/bridges": NOT_AT_HAND,
    r"GET /projects/[^/]+/milestones": NOT_AT_HAND,
    r"GET /projects/[^/]+/repository/commits/[^/]+": NOT_AT_HAND,
    r"GET /projects/[^/]+/jobs/\d+/trace": "a log is text",
    rf"GET {_REQUEST}/reviewers": NOT_AT_HAND,
    rf"POST {_REQUEST}/(un)?approve": NOT_AT_HAND,
    rf"(PUT|DELETE) {_REQUEST}/notes/\d+": NOT_AT_HAND,
    rf"GET {_REQUEST}/discussions/[^/]+": NOT_AT_HAND,
    r"GET /projects/[^/]+/issues/\d+/(notes|resource_label_events)": NOT_AT_HAND,
    r"(POST|PUT) /projects/[^/]+/issues/\d+/notes(/\d+)?": NOT_AT_HAND,
    r"DELETE /projects/[^/]+/repository/branches/[^/]+": "it has no content",
}
"""Method and path of what nothing is said of → why."""
_PROJECT = re.compile(
    r"^/projects/.+?(?=/(merge_requests|issues|repository|members|pipelines|jobs|statuses|labels|milestones)/?|$)"
)
"""The fake tells a project's number by its path, with all slashes."""
PAGES = {"page", "per_page"}
QUERIES = {
    "GET /projects/:id/merge_requests": PAGES | {"state", "source_branch", "target_branch", "order_by", "sort"},
    "GET /projects/:id/repository/compare": {"from", "to"},
    "GET /projects/:id/merge_requests/:iid/notes": PAGES | {"sort", "order_by"},
    "GET /projects/:id/pipelines": PAGES | {"ref", "status", "order_by", "sort"},
    "GET /projects/:id/pipelines/:pipeline_id/jobs": PAGES | {"include_retried"},
    "GET /projects/:id/issues": PAGES | {"labels", "state"},
    "GET /users": PAGES | {"username"},
    "GET /projects/:id/milestones": PAGES | {"title", "state", "include_ancestors"},
}
"""Operation → what the adapter may ask for beside a page."""
ISSUE_NOTES = re.compile(r"(POST|PUT) /projects/:id/issues/\d+/notes(/\d+)?")
SENT = {
    "POST /projects/:id/merge_requests": {"source_branch", "target_branch", "title", "description"},
    "PUT /projects/:id/merge_requests/:iid": {
        *("title", "description", "target_branch"),
        *("add_labels", "reviewer_ids", "assignee_ids", "milestone_id"),
    },
    "PUT /projects/:id/merge_requests/:iid/merge": {"auto_merge", "merge_when_pipeline_succeeds", "sha", "squash"},
    "POST /projects/:id/merge_requests/:iid/notes": {"body"},
    "POST /projects/:id/merge_requests/:iid/discussions/:discussion_id/notes": {"body"},
    "PUT /projects/:id/merge_requests/:iid/discussions/:discussion_id": {"resolved"},
}
"""Operation → the fields that the adapter may send."""


def is_left_out(method: str, path: str) -> bool:
    known = f"{method} {_PROJECT.sub('/projects/name', path.removeprefix(API))}"
    return any(re.fullmatch(pattern, known) for pattern in LEFT_OUT)


def gitlab_problems(folder: Path, exchange: Exchange, *, by_adapter: bool) -> list[str]:
    """What of a request of the adapter's, or of an answer, is not as GitLab has it."""
    path = _PROJECT.sub("/projects/name", exchange.path.removeprefix(API))
    described = Descriptions.at(folder)
    operation = described.operation(exchange.method, path)
    name = operation or f"{exchange.method} {path.replace('/projects/name', '/projects/:id')}"
    asked = _request_problems(name, exchange) if by_adapter else ()
    found = [*asked, *_answer_problems(described, operation, exchange)]
    return [f"gitlab {name} {exchange.status}: {each}" for each in found]


def _request_problems(operation: str, exchange: Exchange) -> Iterator[str]:
    known = QUERIES.get(operation, PAGES)
    yield from (f"the query has no {name}" for name, _ in parse_qsl(exchange.query) if name not in known)
    if exchange.request:
        sent = set(json.loads(exchange.request))
        known_fields = {"body"} if ISSUE_NOTES.fullmatch(operation) else SENT.get(operation, set())
        yield from (f"the request has no {name}" for name in sent - known_fields)


def _answer_problems(described: Descriptions, operation: str | None, exchange: Exchange) -> Iterator[str]:
    if 300 <= exchange.status < 400:
        yield from () if "location" in exchange.headers else ("no Location",)
    elif exchange.status == 429:
        return  # of the proxy before it, which writes plain text
    elif exchange.status >= 400:
        yield from described.problems("entities/error.json", json.loads(exchange.answer))
    elif operation is not None:
        yield from described.problems(described.index[f"{operation}"], json.loads(exchange.answer))
        is_list = exchange.answer.startswith("[")
        if is_list and not {"link", "x-next-page"} <= set(exchange.headers):
            yield "a list without Link and X-Next-Page"
    elif not is_left_out(exchange.method, exchange.path):
        yield "no such operation, and not left out"


class Descriptions:
    """The schemas, bundled into one document."""

    @staticmethod
    @cache
    def at(folder: Path) -> Descriptions:
        return Descriptions(folder / "gitlab")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        named: dict[str, str] = json.loads((folder / "index.json").read_text())
        self.index = {name.replace(f" {API}", " "): file for name, file in named.items()}
        self._definitions: dict[str, Any] = {}
        self._validators: dict[str, Draft202012Validator] = {}
        self._operations = {name: _expression(name) for name in self.index}

    def operation(self, method: str, path: str) -> str | None:
        asked = f"{method} {path}"
        return next((name for name, pattern in self._operations.items() if pattern.fullmatch(asked)), None)

    def problems(self, file: str, value: object) -> Iterator[str]:
        from jsonschema_rs import Draft202012Validator  # of no use, and so not needed, without the schemas

        if file not in self._validators:
            address, definitions = self.bundle(file)
            whole = {"$ref": address, "$defs": definitions}
            self._validators[file] = Draft202012Validator(whole, validate_formats=True)
        for error in self._validators[file].iter_errors(value):
            place = ".".join(str(part) for part in error.instance_path if not isinstance(part, int))
            yield f"the answer{'.' * bool(place)}{place}: {error.message[:200]}"

    def bundle(self, file: str) -> tuple[str, dict[str, Any]]:
        """The address of a file's schema, and all that it refers to."""
        return self._bundled(self._folder / file), self._definitions

    def _bundled(self, file: Path) -> str:
        """The address of a file's schema in the one document, which it is added to with all that it refers to."""
        name = re.sub(r"\W", "_", str(file.resolve().relative_to(self._folder.resolve())))
        if name not in self._definitions:
            self._definitions[name] = {}  # it may refer to itself
            self._definitions[name] = self._rewritten(json.loads(file.read_text()), file)
        return f"#/$defs/{name}"

    def _rewritten(self, schema: Any, file: Path) -> Any:
        if isinstance(schema, list):
            return [self._rewritten(each, file) for each in schema]
        if not isinstance(schema, dict):
            return schema
        told = {key: self._rewritten(value, file) for key, value in schema.items() if key not in ("$schema", "$id")}
        if isinstance(schema.get("$ref"), str):
            told["$ref"] = self._bundled(file.parent / schema["$ref"])
        if file.name == "project.json":
            told.pop("additionalProperties", None)  # members are told more
        return told


def _expression(operation: str) -> re.Pattern[str]:
    method, _, path = operation.partition(" ")
    parts = re.split(r"(:\w+)", path)
    numbers = dict.fromkeys((":iid", ":pipeline_id", ":job_id", ":user_id"), r"\d+")
    known = {**numbers, ":branch": ".+"}
    kinds = (known.get(part, "[^/]+") if part.startswith(":") else re.escape(part) for part in parts)
    return re.compile(f"{method} {''.join(kinds)}")
