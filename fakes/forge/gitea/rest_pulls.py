"""Gitea's REST: pull requests, and merging them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from urllib.parse import quote

from pydantic import AliasChoices, BaseModel, Field
from starlette.routing import Route

from fakes.forge.api_errors import Answered, not_found
from fakes.forge.auto_merging import turn_off, turn_on
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.changed_files import changed_files
from fakes.forge.gitea.rest_furnishing import Furniture, furnished
from fakes.forge.gitea.shapes import GiteaShapes
from fakes.forge.gitea.titles import is_marked
from fakes.forge.merge_records import AutoMerge
from fakes.forge.merges import MergeWanted, Method, merge, protection_of
from fakes.forge.pulls import PullChange, PullWanted, change_pull, follow_branches, open_pull
from fakes.forge.records import Pull, PullState
from fakes.forge.store import Repository

PULL = "/repos/{owner}/{repo}/pulls/{number:int}"


class NewPullBody(BaseModel):
    title: str = Field(min_length=1, max_length=255)
    head: str
    base: str
    body: str = ""


class PullBody(Furniture):
    title: str | None = Field(None, max_length=255)
    body: str | None = None
    state: PullState | None = None
    base: str | None = None


class How(StrEnum):
    MERGE = "merge"
    REBASE = "rebase"
    SQUASH = "squash"


class MergeBody(BaseModel):
    """The description of 1.27 names some of these otherwise than older servers and Forgejo do: both are taken here."""

    do: How = Field(validation_alias=AliasChoices("do", "Do"))
    head_commit_id: str = ""
    merge_title_field: str = Field("", validation_alias=AliasChoices("merge_title_field", "MergeTitleField"))
    merge_message_field: str = Field("", validation_alias=AliasChoices("merge_message_field", "MergeMessageField"))
    delete_branch_after_merge: bool = False
    merge_when_checks_succeed: bool = False


def routes(api: Routes) -> list[Route]:
    return [
        api.route("/repos/{owner}/{repo}/pulls", GET=list_pulls, POST=create_pull),
        api.route(PULL, GET=get_pull, PATCH=update_pull),
        api.route(f"{PULL}/files", GET=list_files),
        api.route(f"{PULL}/merge", GET=is_merged, POST=merge_pull, DELETE=cancel_merge),
    ]


def last_routes(api: Routes) -> list[Route]:
    """Those that would take others' addresses, too."""
    return [api.route("/repos/{owner}/{repo}/pulls/{base}/{head}", GET=get_pull_of_branches)]


async def list_pulls(call: Call) -> ApiAnswer:
    """The newest first, without any filter for a branch."""
    repository, query = call.repository(), call.request.query_params
    record = await follow_branches(repository)
    state, base = query.get("state", "open"), query.get("base_branch", "")
    found = [each for each in reversed(record.pulls) if state in ("all", each.state) and base in ("", each.base)]
    page, headers = call.page(found)
    return ApiAnswer([await _shape(call, repository, each) for each in page], headers=headers)


async def create_pull(call: Call) -> ApiAnswer:
    repository, wanted = call.repository(), await call.body(NewPullBody)
    fields = PullWanted(
        title=wanted.title, head=wanted.head, base=wanted.base, body=wanted.body, draft=is_marked(wanted.title)
    )
    try:
        made = await open_pull(repository, fields, call.login)
    except Answered as refused:
        raise _in_its_words(refused) from refused
    return ApiAnswer(await _shape(call, repository, made), 201)


async def get_pull(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    return ApiAnswer(await _shape(call, repository, pull))


async def get_pull_of_branches(call: Call) -> ApiAnswer:
    """The newest from one branch into the other; a slash in a name is not understood here."""
    repository, parts = call.repository(), call.request.path_params
    record = await follow_branches(repository)
    ends = (parts["base"], parts["head"])
    found = next((each for each in reversed(record.pulls) if (each.base, each.head) == ends), None)
    if found is None:
        raise not_found()
    return ApiAnswer(await _shape(call, repository, found))


async def update_pull(call: Call) -> ApiAnswer:
    """Answers 201, as on issues. An empty title leaves it as it is (from memory)."""
    (repository, pull), wanted = await call.pull(), await call.body(PullBody)
    if pull.merged_at and wanted.state is PullState.OPEN:
        raise Answered(412, "pull request has been merged")
    if wanted.base is not None and wanted.base not in await repository.git.branches():
        raise Answered(404, f"new base '{wanted.base}' not exist")
    title = wanted.title or None
    change = PullChange(
        title=title,
        body=wanted.body,
        state=wanted.state,
        base=wanted.base,
        draft=None if title is None else is_marked(title),
    )
    try:
        changed = await change_pull(repository, pull.number, change)
    except Answered as refused:
        raise _in_its_words(refused) from refused
    return ApiAnswer(await _shape(call, repository, await furnished(repository, changed, wanted)), 201)


async def list_files(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    page, headers = call.page(await changed_files(repository, pull))
    here = GiteaShapes(call.forge.url).page(repository.record)
    return ApiAnswer([_file(each, here, pull.head_sha) for each in page], headers=headers)


async def is_merged(call: Call) -> ApiAnswer:
    _, pull = await call.pull()
    if not pull.merged_at:
        raise not_found()
    return ApiAnswer(status=204)


async def merge_pull(call: Call) -> ApiAnswer:
    """Answers 200 with nothing in it; where it waits, 201 (from memory), which the description doesn't have."""
    (repository, pull), wanted = await call.pull(), await call.body(MergeBody)
    if wanted.merge_when_checks_succeed and list((await protection_of(repository, pull)).refusals()):
        if wanted.head_commit_id not in ("", pull.head_sha):
            raise Answered(409, "head out of date")
        if pull.auto_merge:
            raise Answered(409, "The scheduled auto merge already exists")
        waiting = AutoMerge(user=call.login, method=wanted.do.value)
        await turn_on(repository, pull.number, waiting, wanted.head_commit_id or None)
        return ApiAnswer(text="")
    order = MergeWanted(
        Method(wanted.do.value),
        wanted.head_commit_id or None,
        wanted.merge_title_field or None,
        wanted.merge_message_field or None,
        closes_in_any=True,
    )
    await merge(repository, pull.number, order, call.login)
    if wanted.delete_branch_after_merge:
        await repository.git.delete(f"refs/heads/{pull.head}")
    await follow_branches(repository)
    return ApiAnswer(text="")


async def cancel_merge(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    if pull.auto_merge is None:
        raise not_found()
    await turn_off(repository, pull.number, call.login)
    return ApiAnswer(status=204)


def _file(changed: dict[str, Any], page: str, sha: str) -> dict[str, Any]:
    name = quote(changed["filename"])
    words = {"removed": "deleted", "modified": "changed"}
    return changed | {
        "status": words.get(changed["status"], changed["status"]),
        "changes": changed["additions"] + changed["deletions"],
        "html_url": f"{page}/src/commit/{sha}/{name}",
        "contents_url": f"{page}/contents/{name}?ref={sha}",
        "raw_url": f"{page}/raw/commit/{sha}/{name}",
    }


def _in_its_words(refused: Answered) -> Answered:
    """The core refuses as GitHub does; Gitea has a status for each case."""
    told = " ".join(str(each.get("message", "")) for each in refused.errors)
    if "already exists" in told:
        return Answered(409, "pull request already exists for these targets")
    missing = next((each.get("field") for each in refused.errors if each.get("code") == "invalid"), "")
    if missing in ("base", "head"):
        return Answered(404, f"{str(missing).capitalize()} branch does not exist")
    return refused


async def _shape(call: Call, repository: Repository, pull: Pull) -> dict[str, Any]:
    """Whether it can be merged is no while that is being worked out, and for a draft (from memory)."""
    merging = await call.forge.mergeabilities.of(repository, pull) if pull.is_open else None
    is_draft = pull.draft or is_marked(pull.title)
    has_branch = bool(pull.head_repository) or pull.head in await repository.git.branches()
    return GiteaShapes(call.forge.url).pull(
        repository.record,
        pull,
        call.account is not None and call.account.write,
        mergeable=bool(merging and merging.mergeable and not is_draft),
        has_branch=has_branch,
    )
