"""The fake forge, and the adapter, are held to GitHub's own description of its API; whether the holding holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.routing import Route

from daemon.forges.forge_settings import ForgeKind
from daemon.forges.github import checks, github, look
from daemon.forges.github.payloads import CollaboratorPermission
from daemon.forges.pulls import Repository
from daemon.forges.said import User
from fakes.forge.calling import Routes
from fakes.forge.exchanges import Exchange
from fakes.forge.forge import Forge
from fakes.forge.gitea.manners import GITEA
from fakes.forge.gitea.routes import gitea_routes
from fakes.forge.github import rest_checks, rest_pulls, rest_repositories, rest_talk
from fakes.forge.github.manners import GITHUB
from fakes.forge.store import Store
from tests.fixtures_forges import Site, wanted
from tests.forge_schemas import ADAPTER, GITEA_LEFT_OUT, NULL_IN_FACT, Description, is_left_out, need_schemas, problems


async def exchanges_of(site: Site) -> list[Exchange]:
    lines = site.forge.record.read_text().splitlines()
    return [each for each in map(Exchange.model_validate_json, lines) if site.name in each.path]


async def test_what_is_missing_too_much_or_null_in_an_answer_is_found(site: Site) -> None:
    folder = need_schemas()
    known = await site.opened()
    await site.adapter.look(known, {})
    path = rf"/pulls/{known.number}$"
    (seen,) = [each for each in await exchanges_of(site) if re.search(path, each.path) and each.method == "GET"][:1]
    assert problems(folder, seen) == []
    whole: dict[str, Any] = json.loads(seen.answer)

    def said(**changes: object) -> str:
        changed = {name: value for name, value in (whole | changes).items() if value is not ...}
        return " ".join(problems(folder, seen.model_copy(update={"answer": json.dumps(changed)})))

    assert '"merged" is a required property' in said(merged=...)
    assert "'surprise' was unexpected" in said(surprise=1)
    assert "title: null is not of type" in said(title=None)
    assert '"soon" is not a "date-time"' in said(created_at="soon")
    assert "'extra' was unexpected" in said(head=whole["head"] | {"extra": 1})
    assert said(mergeable=None, body=None, merged_by=None) == ""  # each of which may be


async def test_what_the_adapter_asks_and_sends_is_held_too(site: Site) -> None:
    folder = need_schemas()
    await site.opened()
    sent = [each for each in await exchanges_of(site) if each.user_agent == ADAPTER]
    (made,) = [each for each in sent if each.method == "POST"]
    (listed,) = [each for each in sent if each.method == "GET" and "head=" in each.query][:1]
    assert [problems(folder, each) for each in (made, listed)] == [[], []]

    without_base = {name: value for name, value in json.loads(made.request).items() if name != "base"}
    for wrong, told in (
        (made.model_copy(update={"request": json.dumps(without_base)}), '"base" is a required property'),
        (listed.model_copy(update={"query": "state=every"}), "state is not every"),
        (listed.model_copy(update={"query": "branch=work"}), "the query has no branch"),
        (listed.model_copy(update={"path": "/api/v3/repos/acme/shop/pull"}), "no such operation"),
        (listed.model_copy(update={"status": 202}), "no such status"),
    ):
        assert told in " ".join(problems(folder, wrong))


async def test_graphql_is_held_to_its_schema(site: Site) -> None:
    folder = need_schemas()
    known = await site.opened(draft=True)
    await site.adapter.open_or_update(wanted(draft=False), known.branch, known.base, known)
    lines = map(Exchange.model_validate_json, site.forge.record.read_text().splitlines())
    mine = [each for each in lines if each.path.endswith("/graphql") and "isDraft" in each.request]
    answered = mine[-1]
    assert problems(folder, answered) == []
    for old, new, told in (
        ('"isDraft": false', '"isDraft": null', "non-nullable"),
        ('"isDraft": false', '"isDraft": false, "more": 1', "what was not asked for"),
    ):
        assert old in answered.answer
        wrong = answered.model_copy(update={"answer": answered.answer.replace(old, new)})
        assert told in " ".join(problems(folder, wrong))
    unknown = answered.model_copy(update={"request": answered.request.replace("isDraft", "isDrafty")})
    assert "Cannot query field" in " ".join(problems(folder, unknown))


def test_every_route_of_the_fake_is_described_or_left_out_with_a_reason(tmp_path: Path) -> None:
    description = Description.at(need_schemas())
    api = Routes(Forge(Store(tmp_path), "http://forge"), GITHUB)
    parts = (rest_repositories, rest_pulls, rest_talk, rest_checks)
    routes: list[Route] = [route for part in parts for route in part.routes(api)]
    unknown = []
    for route in routes:
        path = re.sub(r"\{\w+:int\}", "7", route.path)
        path = re.sub(r"\{[^}]+\}", "name", path)
        for method in set(route.methods or ()) - {"HEAD"}:
            if description.operation(method, path) is None and not is_left_out(method, path, ""):
                unknown.append(f"{method} {route.path}")
    assert unknown == []


def test_every_route_of_giteas_dialect_is_described_or_left_out_with_a_reason(tmp_path: Path) -> None:
    description = Description.at(need_schemas(), "gitea")
    unknown = []
    for route in gitea_routes(Routes(Forge(Store(tmp_path), "http://forge"), GITEA)):
        path = re.sub(r"\{[^}]+\}", "name", re.sub(r"\{\w+:int\}", "7", route.path))
        for method in set(route.methods or ()) - {"HEAD"}:
            is_told = description.operation(method, path) is not None
            if not (is_told or is_left_out(method, path, "text/plain", GITEA_LEFT_OUT)):
                unknown.append(f"{method} {route.path}")
    assert unknown == []


@pytest.mark.parametrize("forge_kind", [ForgeKind.GITEA])
async def test_gitea_s_answers_and_what_its_adapter_sends_are_held(site: Site) -> None:
    folder = need_schemas()
    known = await site.opened()
    await site.adapter.look(known, {})
    exchanges = [each for each in await exchanges_of(site) if each.path.startswith("/api/v1")]
    assert len(exchanges) > 5 and not any(problems(folder, each) for each in exchanges)
    (made,) = [each for each in exchanges if each.method == "POST"]
    whole = json.loads(made.answer)
    for wrong, told in (
        (made.model_copy(update={"request": json.dumps({"name": "x"})}), "'name' was unexpected"),
        (made.model_copy(update={"answer": json.dumps(whole | {"surprise": 1})}), "'surprise' was unexpected"),
        (made.model_copy(update={"answer": json.dumps(whole | {"mergeable": None})}), "mergeable: null is not of type"),
        (made.model_copy(update={"status": 200}), "no such status"),
    ):
        assert told in " ".join(problems(folder, wrong))


READ: dict[str, TypeAdapter[Any]] = {
    "/repos/{owner}/{repo}": TypeAdapter(Repository),
    "/repos/{owner}/{repo}/pulls/{pull_number}": look.PULL,
    "/repos/{owner}/{repo}/pulls": github.PULLS,
    "/repos/{owner}/{repo}/git/ref/{ref}": look.REF,
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews": look.REVIEWS,
    "/repos/{owner}/{repo}/pulls/{pull_number}/comments": look.COMMENTS,
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": look.COMMENTS,
    "/repos/{owner}/{repo}/commits/{ref}/check-runs": checks.CHECK_RUNS,
    "/repos/{owner}/{repo}/commits/{ref}/check-suites": checks.SUITES,
    "/repos/{owner}/{repo}/commits/{ref}/status": checks.STATUSES,
    "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations": checks.ANNOTATIONS,
    "/repos/{owner}/{repo}/actions/runs": checks.WORKFLOW_RUNS,
    "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs": checks.JOBS,
    "/repos/{owner}/{repo}/collaborators/{username}/permission": TypeAdapter(CollaboratorPermission),
    "/user": TypeAdapter(User),
}
"""Operation → what the adapter reads of its answer."""


def poorest(schema: dict[str, Any], *, name: str = "", full: bool) -> Any:
    """The answer with as many nulls as GitHub's description allows; `full`: with all fields, else with those that must
    be there.
    """
    description = Description.at(need_schemas())
    schema = description.at_ref(schema)
    schema = description.at_ref(
        next(iter(schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf") or [schema]))
    )
    if schema.get("nullable") or (full and name in NULL_IN_FACT):
        return None
    match schema.get("type"):
        case "object":
            wanted = schema.get("properties", {}) if full else schema.get("required", ())
            said = schema.get("properties", {})
            return {each: poorest(said[each], name=each, full=full) for each in wanted if each in said}
        case "array":
            return [poorest(schema["items"], full=full)]
        case "integer" | "number":
            return 1
        case "boolean":
            return False
        case _:
            words = {"state": "open", "date-time": "2026-01-01T00:00:00Z"}
            return (schema.get("enum") or [words.get(schema.get("format", "")) or words.get(name, "x")])[0]


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("path", READ)
def test_whatever_may_be_null_or_left_out_is_taken(path: str, full: bool) -> None:
    said = Description.at(need_schemas()).document["paths"][path]["get"]["responses"]["200"]
    schema = said["content"]["application/json"]["schema"]
    READ[path].validate_python(poorest(schema, full=full))


@pytest.fixture(autouse=True)
def _described() -> None:
    need_schemas()
