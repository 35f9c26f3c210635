"""Holds what the fake forge answers, and what the adapters send, to the forges' own descriptions of their APIs.

The description is test data that is not committed: `MAKIMA_FORGE_SCHEMAS` names its folder, else it lies in
`shared/forge_schemas` beside the checkout. Without it nothing is held to anything, and tests/integration/
test_forge_schemas.py says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from fakes.forge.exchanges import Exchange
from tests.forge_gitlab_schemas import API as GITLAB
from tests.forge_gitlab_schemas import gitlab_problems
from tests.forge_graph import graph_problems

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

Json = dict[str, Any]
VARIABLE = "MAKIMA_FORGE_SCHEMAS"
ADAPTER = "makima"
"""The user agent of the daemon's adapter; tests' own requests may be as they like, their answers not."""

NOT_DESCRIBED = "the description at hand has no such operation"
LEFT_OUT = {
    r"GET /repos/[^/]+/[^/]+/pulls/\d+ text/plain.*": "a diff in place of JSON is git's own format",
    r"(PATCH|DELETE) /repos/[^/]+/[^/]+/(pulls|issues)/comments/\d+ .*": NOT_DESCRIBED,
    r"GET /repos/[^/]+/[^/]+/issues/\d+/events .*": NOT_DESCRIBED,
    r"GET /repos/[^/]+/[^/]+/actions/(workflows(/\d+)?|runs/\d+/artifacts) .*": NOT_DESCRIBED,
    r"GET /repos/[^/]+/[^/]+/labels/[^/]+/.+ .*": "the slash of a label's name is sent as %2F, and recorded as a slash",
    r"PUT /repos/[^/]+/[^/]+/pulls/\d+/reviews/\d+/dismissals .*": NOT_DESCRIBED,
}
"""Of GitHub: method, path and kind of answer that nothing is said of → why."""
GITEA_LEFT_OUT = {
    r"GET /repos/[^/]+/[^/]+/issues/\d+/timeline .*": NOT_DESCRIBED,
    r"GET /repos/[^/]+/[^/]+/milestones .*": NOT_DESCRIBED,
    r"GET /repos/[^/]+/[^/]+/actions/jobs/\d+/logs text/plain.*": "a log is no JSON",
}
"""The same of Gitea."""
GITEA_PREFIX = "/api/v1"
FAILURES_LEFT_OUT = {
    "server_error": "a page of a proxy, which isn't GitHub's",
    "status": "what the test has ordered, whatever that is",
    "silent": "nothing is answered",
    "acted_then_silent": "nothing is answered",
    "acted_then_cut": "the answer is broken on purpose",
}
OF_COMPONENT = {
    "GET /repos/{owner}/{repo}/actions/jobs/{job_id}": "job",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}": "pull-request-review",
    "GET /repos/{owner}/{repo}/pulls/comments/{comment_id}": "pull-request-review-comment",
    "GET /repos/{owner}/{repo}/labels/{name}": "label",
    "GET /repos/{owner}/{repo}/milestones": "[nullable-milestone]",
    "DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}": "[label]",
    "POST /repos/{owner}/{repo}/branches/{branch}/rename": "branch-with-protection",
    "GET /repos/{owner}/{repo}/commits/{sha}": "commit",
    "GET /repos/{owner}/{repo}/actions/runs/{run_id}": "workflow-run",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments": "[pull-request-review-comment]",
    "GET /repos/{owner}/{repo}/git/matching-refs/{ref}": "[git-ref]",
}
"""Operations that the description at hand lacks → the component that they answer; in brackets: a list of it."""
GITEA_OF_COMPONENT = {
    "GET /repos/{owner}/{repo}/actions/runs/{run}": "ActionWorkflowRun",
    "GET /repos/{owner}/{repo}/actions/runs/{run}/attempts/{attempt}/jobs": "ActionWorkflowJobsResponse",
}
"""The same of Gitea."""
NULL_IN_FACT = ("line", "original_line", "position")
"""Of a comment at a file, or at a line that has changed since: described as numbers, null at GitHub (from memory)."""


def schemas_folder() -> Path | None:
    """Where the forges' descriptions lie; None: there are none."""
    beside = Path(__file__).parents[2] / "shared" / "forge_schemas"
    folder = Path(os.environ.get(VARIABLE) or beside)
    return folder if (folder / "github" / "openapi.json").exists() else None


def need_schemas() -> Path:
    """The same; a test of a machine without them is skipped, for they are in no repository and no package."""
    return schemas_folder() or pytest.skip(f"no forge's description is at hand: name their folder by {VARIABLE}")


class Held:
    """Holds a file of exchanges to the description, as it grows."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._read = 0

    def check(self) -> None:
        """AssertionError with what is not as GitHub has it since the last time."""
        folder = schemas_folder()
        if folder is None or not self._record.exists():
            return
        with self._record.open("rb") as file:
            file.seek(self._read)
            lines = file.readlines()
        whole = [line for line in lines if line.endswith(b"\n")]
        self._read += sum(map(len, whole))
        found = dict.fromkeys(each for line in whole for each in problems(folder, Exchange.model_validate_json(line)))
        assert not found, "not as the forge describes it:\n" + "\n".join(list(found)[:40])


def is_left_out(method: str, path: str, kind: str, left_out: Iterable[str] = tuple(LEFT_OUT)) -> bool:
    """Whether nothing is said of such an answer; `kind`: its media type."""
    return any(re.fullmatch(pattern, f"{method} {path} {kind}") for pattern in left_out)


def problems(folder: Path, exchange: Exchange) -> list[str]:
    """What of a request of the adapter's, or of an answer, the forge's description doesn't allow."""
    if exchange.failure in FAILURES_LEFT_OUT or exchange.status == 0:
        return []
    if exchange.path.startswith(GITLAB):
        return gitlab_problems(folder, exchange, by_adapter=exchange.user_agent == ADAPTER)
    if exchange.path.startswith(f"{GITEA_PREFIX}/"):
        path = exchange.path.removeprefix(GITEA_PREFIX)
        return _problems(Description.at(folder, "gitea"), exchange, path, tuple(GITEA_LEFT_OUT))
    path = re.sub(r"^/api(/v3)?(?=/)", "", exchange.path)
    if path == "/graphql":
        return [f"graphql: {each}" for each in graph_problems(folder, exchange)]
    return _problems(Description.at(folder), exchange, path, tuple(LEFT_OUT))


def _problems(description: Description, exchange: Exchange, path: str, left_out: tuple[str, ...]) -> list[str]:
    if is_left_out(exchange.method, path, exchange.headers.get("content-type", ""), left_out):
        return []
    operation = description.operation(exchange.method, path)
    if operation is None:
        return [f"{exchange.method} {path}: no such operation, and not left out"]
    asked = operation.request_problems(exchange) if exchange.user_agent == ADAPTER else ()
    return [f"{operation.name} {exchange.status}: {each}" for each in (*asked, *operation.answer_problems(exchange))]


@dataclass(frozen=True)
class Operation:
    name: str
    said: Json
    path_parameters: tuple[Json, ...]
    whole: Description
    component: str = ""

    def request_problems(self, exchange: Exchange) -> Iterator[str]:
        if self.component:
            return
        parameters = [self.whole.at_ref(each) for each in (*self.path_parameters, *self.said.get("parameters", ()))]
        known = {each["name"]: each for each in parameters if each["in"] == "query"}
        for name, value in parse_qsl(exchange.query, keep_blank_values=True):
            if name not in known:
                yield f"the query has no {name}"
            elif choices := known[name]["schema"].get("enum"):
                yield from () if value in choices else (f"{name} is not {value}",)
        if exchange.request:
            schema = self.said["requestBody"]["content"]["application/json"]["schema"]
            yield from self.whole.problems(schema, json.loads(exchange.request), "the request")

    def answer_problems(self, exchange: Exchange) -> Iterator[str]:
        status = str(exchange.status)
        if status == "304":
            if exchange.method != "GET" or exchange.answer:
                yield "an answer without news has no content"
        elif exchange.status >= 400:
            yield from self._refusal_problems(exchange)
        elif self.component:
            name = self.component.strip("[]")
            schema: Json = {"$ref": f"#/components/schemas/{name}"}
            wanted = {"type": "array", "items": schema} if self.component.startswith("[") else schema
            yield from self.whole.problems(wanted, json.loads(exchange.answer))
        elif status not in self.said["responses"]:
            yield "no such status"
        else:
            response = self.whole.at_ref(self.said["responses"][status])
            yield from self._content_problems(exchange, response)

    def _content_problems(self, exchange: Exchange, response: Json) -> Iterator[str]:
        content = response.get("content", {})
        missing = {"Link", "Location"} & set(response.get("headers", {})) - {each.title() for each in exchange.headers}
        if "Location" in missing:
            yield "no Location"
        if not content:
            yield from ("an answer without content has some",) if exchange.answer else ()
        elif "json" not in exchange.headers.get("content-type", ""):
            yield f"{exchange.headers.get('content-type')} in place of JSON"
        else:
            yield from self.whole.problems(content["application/json"]["schema"], json.loads(exchange.answer))

    def _refusal_problems(self, exchange: Exchange) -> Iterator[str]:
        if exchange.status == 404 and not exchange.answer:  # as /merge says that it isn't merged
            return
        if self.whole.forge != "github":
            yield from self.whole.problems({"$ref": "#/components/schemas/APIError"}, json.loads(exchange.answer))
            return
        kinds = ("validation-error", "validation-error-simple") if exchange.status == 422 else ("basic-error",)
        answer = json.loads(exchange.answer)
        # The description of a 422 has no status; GitHub sends it all the same (from memory).
        told = {name: value for name, value in answer.items() if (name, exchange.status) != ("status", 422)}
        tried = [list(self.whole.problems({"$ref": f"#/components/schemas/{kind}"}, told)) for kind in kinds]
        if all(tried):
            yield from tried[0]
        if not {"message", "documentation_url", "status"} <= set(answer):
            yield "a refusal without message, documentation_url and status"


class Description:
    """A forge's OpenAPI document, turned into plain JSON Schema that allows no field which it doesn't name."""

    @staticmethod
    @cache
    def at(folder: Path, forge: str = "github") -> Description:
        return Description(json.loads((folder / forge / "openapi.json").read_text()), forge)

    def __init__(self, document: Json, forge: str) -> None:
        self.document = document
        self.forge = forge
        self._validators: dict[str, Draft202012Validator] = {}
        self._components = _plain(document["components"]["schemas"])
        operations = [
            (path, Operation(f"{method.upper()} {path}", said, tuple(item.get("parameters", ())), self))
            for path, item in document["paths"].items()
            for method, said in item.items()
            if method != "parameters"
        ]
        for name, component in (OF_COMPONENT if forge == "github" else GITEA_OF_COMPONENT).items():
            operations.append((name.partition(" ")[2], Operation(name, {}, (), self, component)))
        # The address with the fewest open parts is meant: `pulls/{base}/{head}` would take most others, too.
        operations.sort(key=lambda each: each[0].count("{"))
        self._operations = [(_expression(path), each) for path, each in operations]

    def operation(self, method: str, path: str) -> Operation | None:
        fitting = (each for pattern, each in self._operations if pattern.fullmatch(path))
        return next((each for each in fitting if each.name.startswith(f"{method} ")), None)

    def at_ref(self, value: Json) -> Json:
        while "$ref" in value:
            found: Any = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def problems(self, schema: Json, value: object, what: str = "the answer") -> Iterator[str]:
        from jsonschema_rs import Draft202012Validator  # of no use, and so not needed, without the description

        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**_plain(schema), "components": {"schemas": self._components}}
            self._validators[key] = Draft202012Validator(whole, validate_formats=True)
        for error in self._validators[key].iter_errors(value):
            place = ".".join(str(part) for part in error.instance_path if not isinstance(part, int))
            yield f"{what}{'.' * bool(place)}{place}: {error.message[:200]}"


def _expression(template: str) -> re.Pattern[str]:
    """A branch's name may hold slashes, no other part of an address does."""
    parts = re.split(r"(\{\w+\})", template)
    kinds = {"{ref}": ".+", "{branch}": ".+"}
    return re.compile("".join(kinds.get(part, "[^/]+") if part[:1] == "{" else re.escape(part) for part in parts))


def _plain(schema: Any, name: str = "", *, in_part: bool = False) -> Any:
    """OpenAPI 3.0's schema as JSON Schema: `nullable` becomes a type, and an object has the fields that it names."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "schema" in schema and "in" in schema:
        return schema
    plain: Json = {}
    for key, value in schema.items():
        if key in ("example", "examples", "nullable", "discriminator", "deprecated", "default"):
            continue
        if key == "properties" and isinstance(value, dict):
            plain[key] = {each: _plain(said, each) for each, said in value.items()}
        elif key == "allOf":
            plain[key] = [_plain(each, in_part=True) for each in value]
        elif key in ("enum", "required", "const"):
            plain[key] = value
        else:
            plain[key] = _plain(value, key)
    may_be_null = schema.get("nullable") or (name in NULL_IN_FACT and schema.get("type") == "integer")
    if may_be_null and isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"], "null"]
    is_open = "additionalProperties" in plain or "allOf" in plain or in_part
    is_object = plain.get("type") in ("object", ["object", "null"]) and isinstance(plain.get("properties"), dict)
    if is_object and not is_open:
        plain["additionalProperties"] = False
    return plain
