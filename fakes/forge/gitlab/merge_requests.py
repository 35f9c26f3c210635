"""GitLab's REST: merge requests, from opening to merging."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal

from pydantic import BaseModel
from starlette.routing import Route

from fakes.forge.addresses import account_id
from fakes.forge.api_errors import Answered
from fakes.forge.auto_merging import turn_on
from fakes.forge.calling import ApiAnswer, Routes
from fakes.forge.check_records import CheckStatus, StatusState
from fakes.forge.gitlab.calling import PROJECT, GitLabCall, Said, route
from fakes.forge.gitlab.projects import members
from fakes.forge.gitlab.shapes_checks import CheckShapes, head_pipeline
from fakes.forge.gitlab.shapes_requests import drafted, merge_request, mergeability, title_of, whole_merge_request
from fakes.forge.merge_records import AutoMerge
from fakes.forge.merges import MergeWanted, Method, merge
from fakes.forge.pulls import PullChange, PullWanted, change_pull, follow_branches, open_pull
from fakes.forge.records import Pull, PullState, RepositoryRecord
from fakes.forge.store import Repository

_REQUESTS = f"{PROJECT}/merge_requests"
REQUEST = f"{_REQUESTS}/{{iid:int}}"
TITLE_LIMIT = 255
_STATES = {"opened", "closed", "merged", "locked", "all"}


class NewBody(BaseModel):
    source_branch: str
    target_branch: str
    title: str
    description: str = ""


class ChangeBody(BaseModel):
    title: str | None = None
    description: str | None = None
    target_branch: str | None = None
    state_event: Literal["close", "reopen"] | None = None
    add_labels: str | None = None
    reviewer_ids: tuple[int, ...] | None = None
    assignee_ids: tuple[int, ...] | None = None
    milestone_id: int | None = None


class MergeBody(BaseModel):
    sha: str | None = None
    squash: bool = False
    merge_commit_message: str | None = None
    squash_commit_message: str | None = None
    should_remove_source_branch: bool = False
    auto_merge: bool = False
    merge_when_pipeline_succeeds: bool = False
    """The same by its older name."""

    @property
    def may_wait(self) -> bool:
        return self.auto_merge or self.merge_when_pipeline_succeeds


def routes(api: Routes) -> list[Route]:
    return [
        route(api, _REQUESTS, GET=list_requests, POST=create),
        route(api, REQUEST, GET=get_request, PUT=update),
        route(api, f"{REQUEST}/merge", PUT=accept),
    ]


async def list_requests(call: GitLabCall) -> ApiAnswer:
    repository = call.repository()
    record = await follow_branches(repository)
    state = call.query("state", "all")
    if state not in _STATES:
        raise Said(400, "state does not have a valid value", field="error")
    found = [each for each in record.pulls if _is_asked_for(call, record, each, state)]
    found.sort(key=lambda each: each.number, reverse=call.query("sort", "desc") == "desc")
    page, headers = call.page(found)
    return ApiAnswer([merge_request(call.shapes, record, each) for each in page], headers=headers)


async def create(call: GitLabCall) -> ApiAnswer:
    repository, body = call.repository(), await call.body(NewBody)
    _check_title(body.title)
    mark, title = drafted(body.title)
    wanted = PullWanted(
        title=title,
        head=body.source_branch,
        base=body.target_branch,
        body=body.description,
        draft=bool(mark),
        draft_mark=mark,
    )
    made = await _tried(open_pull(repository, wanted, call.login), repository.record, body.source_branch)
    return ApiAnswer(await _whole(call, repository, made), 201)


async def get_request(call: GitLabCall) -> ApiAnswer:
    return ApiAnswer(await _whole(call, *await call.pull()))


async def update(call: GitLabCall) -> ApiAnswer:
    (repository, pull), body = await call.pull(), await call.body(ChangeBody)
    if not body.model_dump(exclude_none=True):
        raise Said(400, "title, description, … are missing, at least one parameter must be provided", field="error")
    if body.title is not None:
        _check_title(body.title)
    state = {"close": PullState.CLOSED, "reopen": PullState.OPEN, None: None}[body.state_event]
    mark, title = (None, None) if body.title is None else drafted(body.title)
    change = PullChange(
        title=title,
        body=body.description,
        state=state,
        base=body.target_branch,
        draft=None if mark is None else bool(mark),
        draft_mark=mark,
    )
    changed = await _tried(change_pull(repository, pull.number, change), repository.record, pull.head)
    return ApiAnswer(await _whole(call, repository, await _furnished(repository, changed, body)))


async def _furnished(repository: Repository, pull: Pull, body: ChangeBody) -> Pull:
    """A label that nobody has made is made. Only members are taken, in the free edition one of each kind, and whatever
    else is asked for is left out without a word (from memory).
    """
    async with repository.changing():
        record = repository.record
        ids = {account_id(login): login for login in members(record)}
        given: dict[str, object] = {}
        if body.add_labels is not None:
            names = tuple(each.strip() for each in body.add_labels.split(",") if each.strip())
            record = record.with_changes(labels=tuple(dict.fromkeys((*record.labels, *names))))
            given["labels"] = tuple(dict.fromkeys((*pull.labels, *names)))
        for field, wanted in (("reviewers", body.reviewer_ids), ("assignees", body.assignee_ids)):
            if wanted is not None:
                given[field] = tuple(ids[each] for each in wanted if each in ids)[:1]
        if body.milestone_id is not None and 1 <= body.milestone_id <= len(record.milestones):
            given["milestone"] = record.milestones[body.milestone_id - 1]
        pull = pull.model_copy(update=given)
        repository.record = record.with_pull(pull)
    return pull


async def accept(call: GitLabCall) -> ApiAnswer:
    """By the project's method, or into one commit first where that is asked for."""
    (repository, pull), body = await call.pull(), await call.body(MergeBody)
    if not pull.is_open:
        raise Said(405, "405 Method Not Allowed")
    if body.sha is not None and body.sha != pull.head_sha:
        raise Said(409, "SHA does not match HEAD of source branch: " + pull.head_sha)
    merging = await call.forge.mergeabilities.of(repository, pull)
    method = Method.SQUASH if body.squash else Method(repository.record.merge_method)
    said = mergeability(repository.record, pull, merging)["detailed_merge_status"]
    is_green, runs = _pipeline(repository.record, pull)
    if body.may_wait and pull.auto_merge:
        return ApiAnswer(await _whole(call, repository, pull))
    if body.may_wait and runs and said in ("mergeable", "ci_still_running"):
        waiting = AutoMerge(user=call.login, method=method.value, ends_with_push=True)
        return ApiAnswer(await _whole(call, repository, await turn_on(repository, pull.number, waiting, pull.head_sha)))
    if said != "mergeable" or (body.may_wait and not is_green):
        raise Said(422 if merging.mergeable is False else 405, "Branch cannot be merged")
    message = body.squash_commit_message if body.squash else body.merge_commit_message
    wanted = MergeWanted(
        method, pull.head_sha, title=(message or _message(repository.record, pull, method)), message=""
    )
    try:
        await merge(repository, pull.number, wanted, call.login)
    except Answered as refused:
        raise Said(405, "405 Method Not Allowed") from refused
    if body.should_remove_source_branch:
        await repository.git.delete(f"refs/heads/{pull.head}")
    done = repository.record.pull(pull.number)
    assert done is not None
    return ApiAnswer(await _whole(call, repository, done))


def _pipeline(record: RepositoryRecord, pull: Pull) -> tuple[bool, bool]:
    """Whether the head's has passed, and whether it runs; neither where there is none."""
    checks, statuses = record.checks_of(pull.head_sha), record.statuses_of(pull.head_sha)
    runs = any(each.status is not CheckStatus.COMPLETED for each in checks)
    runs = runs or any(each.state is StatusState.PENDING for each in statuses)
    passed = not any(each.failed for each in checks) and all(each.state is StatusState.SUCCESS for each in statuses)
    return bool(checks or statuses) and passed and not runs, runs


async def _whole(call: GitLabCall, repository: Repository, pull: Pull) -> dict[str, object]:
    merging = await call.forge.mergeabilities.of(repository, pull)
    shapes, record = CheckShapes(call.forge.url), repository.record
    pipeline = head_pipeline(shapes, record, pull)
    return await whole_merge_request(shapes, record, pull, merging, repository.git, pipeline)


async def _tried(change: Awaitable[Pull], record: RepositoryRecord, branch: str) -> Pull:
    """In GitLab's words where the core refuses it."""
    try:
        return await change
    except Answered as refused:
        told = [str(each.get("message") or each.get("field")) for each in refused.errors] or [refused.message]
        if any("already exists" in each for each in told):
            open_one = next((each.number for each in record.pulls if each.head == branch and each.is_open), 0)
            raise Said(
                409, [f"Another open merge request already exists for this source branch: !{open_one}"]
            ) from None
        raise Said(refused.status, told) from None


def _is_asked_for(call: GitLabCall, record: RepositoryRecord, pull: Pull, state: str) -> bool:
    source, target, words = call.query("source_branch"), call.query("target_branch"), call.query("search")
    fits = source in ("", pull.head) and target in ("", pull.base) and words.lower() in title_of(pull).lower()
    return fits and state in ("all", merge_request(call.shapes, record, pull)["state"])


def _check_title(title: str) -> None:
    if not title.strip():
        raise Said(400, {"title": ["can't be blank"]})
    if len(title) > TITLE_LIMIT:
        raise Said(400, {"title": [f"is too long (maximum is {TITLE_LIMIT} characters)"]})


def _message(record: RepositoryRecord, pull: Pull, method: Method) -> str:
    if method is Method.SQUASH:
        return title_of(pull)
    return f"Merge branch '{pull.head}' into '{pull.base}'\n\nSee merge request {record.full_name}!{pull.number}"
