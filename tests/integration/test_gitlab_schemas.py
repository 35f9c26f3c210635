"""The fake GitLab, and the adapter, are held to the schemas at hand; whether the holding holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.routing import Route

from daemon.forges.forge_settings import ForgeKind
from daemon.forges.gitlab import gitlab, look
from daemon.forges.gitlab.payloads import Approvals, Branch, Member, MergeRequest, Note, Project
from daemon.forges.gitlab.payloads_checks import Pipeline
from daemon.forges.gitlab.pipelines import JOBS, PIPELINES, STATUSES
from fakes.forge.calling import Routes
from fakes.forge.exchanges import Exchange
from fakes.forge.forge import Forge
from fakes.forge.gitlab import merge_requests, pipelines, projects, talk
from fakes.forge.gitlab.manners import GITLAB
from fakes.forge.store import Store
from tests.fixtures_forges import Site
from tests.forge_gitlab_schemas import API, Descriptions, is_left_out
from tests.forge_schemas import need_schemas, problems

OF_GITLAB = pytest.mark.parametrize("forge_kind", [ForgeKind.GITLAB])


@pytest.fixture(autouse=True)
def _described() -> None:
    need_schemas()


@OF_GITLAB
async def test_what_is_not_as_gitlab_has_it_is_found(site: Site) -> None:
    folder = need_schemas()
    known = await site.opened()
    await site.adapter.look(known, {})
    lines = map(Exchange.model_validate_json, site.forge.record.read_text().splitlines())
    ours = [each for each in lines if f"{API}/projects/{site.name}/" in each.path]
    (seen,) = [each for each in ours if each.path.endswith("/merge_requests/1") and each.method == "GET"][:1]
    (made,) = [each for each in ours if each.method == "POST"]
    (listed,) = [each for each in ours if each.path.endswith("/discussions")][:1]
    assert [problems(folder, each) for each in (seen, made, listed)] == [[], [], []]
    whole: dict[str, Any] = json.loads(seen.answer)

    def said(**changes: object) -> str:
        changed = {name: value for name, value in (whole | changes).items() if value is not ...}
        return " ".join(problems(folder, seen.model_copy(update={"answer": json.dumps(changed)})))

    assert '"has_conflicts" is a required property' in said(has_conflicts=...)
    assert "title: null is not of type" in said(title=None)
    assert '"soon" is not a "date-time"' in said(created_at="soon")
    assert said(sha=None, description=None) == ""
    for wrong, told in (
        (made.model_copy(update={"request": json.dumps({"draft": True})}), "the request has no draft"),
        (listed.model_copy(update={"query": "state=all"}), "the query has no state"),
        (listed.model_copy(update={"headers": {}}), "a list without Link and X-Next-Page"),
        (listed.model_copy(update={"path": f"{API}/projects/acme/shop/merge_requests/1/no_such"}), "no such operation"),
        (listed.model_copy(update={"status": 404, "answer": "{}"}), "is not valid under any"),
        (listed.model_copy(update={"status": 301, "headers": {}}), "no Location"),
    ):
        assert told in " ".join(problems(folder, wrong))


def test_every_route_of_the_fake_is_described_or_left_out_with_a_reason(tmp_path: Path) -> None:
    description, api = Descriptions.at(need_schemas()), Routes(Forge(Store(tmp_path), "http://forge"), GITLAB)
    routes: list[Route] = [route for part in (projects, merge_requests, talk, pipelines) for route in part.routes(api)]
    unknown = []
    for route in routes:
        path = re.sub(r"\{\w+:int\}", "7", route.path).removeprefix(API)
        path = re.sub(r"\{[^}]+\}", "name", path)
        for method in set(route.methods or ()) - {"HEAD"}:
            if description.operation(method, path) is None and not is_left_out(method, path):
                unknown.append(f"{method} {route.path}")
    assert unknown == []


READ: dict[str, TypeAdapter[Any]] = {
    "GET /projects/:id": TypeAdapter(Project),
    "GET /projects/:id/merge_requests": gitlab.REQUESTS,
    "GET /projects/:id/merge_requests/:iid": TypeAdapter(MergeRequest),
    "GET /projects/:id/merge_requests/:iid/approvals": TypeAdapter(Approvals),
    "GET /projects/:id/merge_requests/:iid/discussions": look.DISCUSSIONS,
    "POST /projects/:id/merge_requests/:iid/notes": TypeAdapter(Note),
    "GET /projects/:id/merge_requests/:iid/pipelines": PIPELINES,
    "GET /projects/:id/pipelines/:pipeline_id": TypeAdapter(Pipeline),
    "GET /projects/:id/pipelines": PIPELINES,
    "POST /projects/:id/pipelines/:pipeline_id/retry": TypeAdapter(Pipeline),
    "GET /projects/:id/pipelines/:pipeline_id/jobs": JOBS,
    "GET /projects/:id/repository/commits/:sha/statuses": STATUSES,
    "GET /projects/:id/repository/branches/:branch": TypeAdapter(Branch),
    "GET /projects/:id/members/all/:user_id": TypeAdapter(Member),
}
"""Operation → what the adapter reads of its answer."""
WORDS = {"date-time": "2026-01-01T00:00:00Z", "uri": "http://forge", "^[0-9a-f]{40}$": "a" * 40}


def poorest(schema: dict[str, Any], whole: dict[str, Any], *, full: bool) -> Any:
    """The answer with as many nulls as the schema allows; `full`: with all fields, else with those it must have."""
    while "$ref" in schema:
        schema = whole[schema["$ref"].removeprefix("#/$defs/")]
    choices = schema.get("anyOf", [schema])
    if "null" in schema.get("type", ()) or None in schema.get("enum", ()) or {"type": "null"} in choices:
        return None
    parts = [poorest(each, whole, full=full) for each in schema.get("allOf", ()) if "if" not in each]
    match schema.get("type"):
        case "array":
            return [poorest(schema["items"], whole, full=full)]
        case "integer" | "number":
            return schema.get("enum", [7])[0]
        case "boolean":
            return False
        case "string":
            return (schema.get("enum") or [WORDS.get(schema.get("format") or schema.get("pattern", ""), "x")])[0]
        case _:
            named = schema.get("properties", {})
            wanted = named if full else [each for each in schema.get("required", ()) if each in named]
            own = {each: poorest(named[each], whole, full=full) for each in wanted}
            return {name: value for part in (*parts, own) for name, value in part.items()}


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("operation", READ)
def test_whatever_may_be_null_or_left_out_is_taken(operation: str, full: bool) -> None:
    description = Descriptions.at(need_schemas())
    address, definitions = description.bundle(description.index[operation])
    READ[operation].validate_python(poorest({"$ref": address}, definitions, full=full))
