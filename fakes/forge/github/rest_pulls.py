"""REST: pull requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from starlette.routing import Route

from fakes.forge.api_errors import invalid
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.changed_files import changed_files
from fakes.forge.github.shapes import Shapes
from fakes.forge.merges import MergeWanted, Method, merge
from fakes.forge.pulls import PullChange, PullWanted, change_pull, follow_branches, open_pull
from fakes.forge.records import Pull, PullState, RepositoryRecord
from fakes.forge.store import Repository

_PULL = "/repos/{owner}/{repo}/pulls/{number:int}"


_WORKED_OUT = ("mergeable", "mergeable_state", "merge_commit_sha")
"""Later, and without another ETag (from memory)."""


class NewPullBody(BaseModel):
    title: str = ""
    head: str
    base: str
    body: str | None = None
    draft: bool = False


class PullBody(BaseModel):
    title: str | None = None
    body: str | None = None
    state: PullState | None = None
    base: str | None = None


class MergeBody(BaseModel):
    merge_method: Method = Method.MERGE
    sha: str | None = None
    commit_title: str | None = None
    commit_message: str | None = None


def routes(api: Routes) -> list[Route]:
    return [
        api.route("/repos/{owner}/{repo}/pulls", GET=list_pulls, POST=create_pull),
        api.route(_PULL, GET=get_pull, PATCH=update_pull),
        api.route(f"{_PULL}/merge", GET=is_merged, PUT=merge_pull),
        api.route(f"{_PULL}/commits", GET=list_commits),
        api.route(f"{_PULL}/files", GET=list_files),
    ]


async def list_pulls(call: Call) -> ApiAnswer:
    repository, query = call.repository(), call.request.query_params
    record = await follow_branches(repository)
    found = [each for each in record.pulls if _is_asked_for(record, each, dict(query))]
    order = _ORDERS.get(query.get("sort", "created"), _ORDERS["created"])
    descending = query.get("direction", "desc" if "sort" not in query or query["sort"] == "created" else "asc")
    found.sort(key=order, reverse=descending == "desc")
    page, headers = call.page(found)
    return ApiAnswer([Shapes(call.forge.url).pull(record, each, call.account) for each in page], headers=headers)


async def create_pull(call: Call) -> ApiAnswer:
    repository, wanted = call.repository(), await call.body(NewPullBody)
    made = await open_pull(
        repository,
        PullWanted(title=wanted.title, head=wanted.head, base=wanted.base, body=wanted.body or "", draft=wanted.draft),
        call.login,
    )
    whole = await _whole(call, repository, made)
    return ApiAnswer(whole, 201, headers={"Location": whole["url"]})


async def get_pull(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    if "diff" in call.request.headers.get("accept", ""):
        return ApiAnswer(text=await repository.git.diff(pull.base_sha, pull.head_sha))
    return ApiAnswer(await _whole(call, repository, pull), untold=_WORKED_OUT)


async def update_pull(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(PullBody)
    # Only what was sent is changed, and a body of null empties it.
    body = "" if "body" in wanted.model_fields_set and wanted.body is None else wanted.body
    change = PullChange(title=wanted.title, body=body, state=wanted.state, base=wanted.base)
    return ApiAnswer(await _whole(call, repository, await change_pull(repository, pull.number, change)))


async def is_merged(call: Call) -> ApiAnswer:
    _, pull = await call.pull()
    return ApiAnswer(status=204 if pull.merged_at else 404)


async def merge_pull(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(MergeBody)
    order = MergeWanted(wanted.merge_method, wanted.sha, wanted.commit_title, wanted.commit_message)
    commit = await merge(repository, pull.number, order, call.login)
    await follow_branches(repository)
    return ApiAnswer({"sha": commit, "merged": True, "message": "Pull Request successfully merged"})


async def list_commits(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    commits, headers = call.page(await repository.git.commits(pull.base_sha, pull.head_sha))
    return ApiAnswer([Shapes(call.forge.url).commit(repository.record, each) for each in commits], headers=headers)


async def list_files(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    api, page = Shapes(call.forge.url).api(repository.record), Shapes(call.forge.url).page(repository.record)
    changed = await changed_files(repository, pull)
    files, headers = call.page([_file(each, api, page, pull.head_sha) for each in changed])
    return ApiAnswer(files, headers=headers)


async def _whole(call: Call, repository: Repository, pull: Pull) -> dict[str, Any]:
    merging = await call.forge.mergeabilities.of(repository, pull)
    commits, files = await repository.git.commits(pull.base_sha, pull.head_sha), await changed_files(repository, pull)
    lines = {name: sum(each[name] for each in files) for name in ("additions", "deletions")}
    sizes = {"commits": len(commits), "changed_files": len(files), **lines}
    return Shapes(call.forge.url).whole_pull(repository.record, pull, call.account, merging, sizes)


def _is_asked_for(record: RepositoryRecord, pull: Pull, query: dict[str, str]) -> bool:
    state = query.get("state", "open")
    if state not in ("open", "closed", "all"):
        raise invalid("PullRequest", "state")
    head, base = query.get("head", ""), query.get("base", "")
    # GitHub ignores a head without an owner; one of another owner matches nothing.
    head_matches = ":" not in head or head.lower() == pull.label(record.owner).lower()
    return state in ("all", pull.state) and head_matches and base in ("", pull.base)


def _file(changed: dict[str, Any], api: str, page: str, sha: str) -> dict[str, Any]:
    name = quote(changed["filename"])
    return changed | {
        "sha": None,
        "changes": changed["additions"] + changed["deletions"],
        "blob_url": f"{page}/blob/{sha}/{name}",
        "raw_url": f"{page}/raw/{sha}/{name}",
        "contents_url": f"{api}/contents/{name}?ref={sha}",
    }


_ORDERS: dict[str, Callable[[Pull], Any]] = {
    "created": lambda pull: pull.number,
    "updated": lambda pull: pull.updated_at,
    "popularity": lambda pull: pull.number,
    "long-running": lambda pull: pull.number,
}
