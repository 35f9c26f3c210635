"""Gitea's REST: labels, milestones, and what a pull request has of them and of people."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel
from starlette.routing import Route

from fakes.forge.addresses import account_id
from fakes.forge.api_errors import Answered
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.gitea.shapes import GiteaShapes
from fakes.forge.records import Pull, RepositoryRecord, now
from fakes.forge.store import Repository

_REPOSITORY = "/repos/{owner}/{repo}"


class Furniture(BaseModel):
    """What a change of a pull request may hold beside its texts; each is all that it has from then on."""

    labels: tuple[int, ...] | None = None
    assignees: tuple[str, ...] | None = None
    milestone: int | None = None


class ReviewersBody(BaseModel):
    reviewers: tuple[str, ...] = ()
    team_reviewers: tuple[str, ...] = ()


def routes(api: Routes) -> list[Route]:
    return [
        api.route(f"{_REPOSITORY}/labels", GET=list_labels),
        api.route(f"{_REPOSITORY}/milestones", GET=list_milestones),
        api.route(f"{_REPOSITORY}/pulls/{{number:int}}/requested_reviewers", POST=request_reviewers),
    ]


async def list_labels(call: Call) -> ApiAnswer:
    record, shapes = call.repository().record, GiteaShapes(call.forge.url)
    page, headers = call.page(record.labels)
    return ApiAnswer([shapes.label(record, each) for each in page], headers=headers)


async def list_milestones(call: Call) -> ApiAnswer:
    """Those whose title holds `name` (from memory)."""
    record, shapes = call.repository().record, GiteaShapes(call.forge.url)
    name = call.request.query_params.get("name", "").lower()
    page, headers = call.page([each for each in record.milestones if name in each.lower()])
    return ApiAnswer([shapes.milestone(record, each) for each in page], headers=headers)


async def furnished(repository: Repository, pull: Pull, wanted: Furniture) -> Pull:
    """A label that isn't there is left out without a word, who may not be assigned is refused (from memory)."""
    record = repository.record
    given: dict[str, object] = {}
    if wanted.labels is not None:
        ids = {account_id(f"{record.full_name} {each}"): each for each in record.labels}
        given["labels"] = tuple(ids[each] for each in wanted.labels if each in ids)
    if wanted.assignees is not None:
        _check(record, wanted.assignees, "assignee")
        given["assignees"] = wanted.assignees
    if wanted.milestone is not None:
        if not 1 <= wanted.milestone <= len(record.milestones):
            raise Answered(404, "milestone does not exist")
        given["milestone"] = record.milestones[wanted.milestone - 1]
    return await _changed(repository, pull, given)


async def request_reviewers(call: Call) -> ApiAnswer:
    """Answers with what it calls a review of each (from memory)."""
    (repository, pull), wanted = await call.pull(), await call.body(ReviewersBody)
    record, shapes = repository.record, GiteaShapes(call.forge.url)
    if pull.author.lower() in map(str.lower, wanted.reviewers):
        raise Answered(422, "poster of pr can't be reviewer")
    _check(record, wanted.reviewers, "reviewer")
    if unknown := [each for each in wanted.team_reviewers if each not in record.teams]:
        raise Answered(404, f"Team '{unknown[0]}' not exist")
    given: dict[str, object] = {
        "reviewers": tuple(dict.fromkeys((*pull.reviewers, *wanted.reviewers))),
        "team_reviewers": tuple(dict.fromkeys((*pull.team_reviewers, *wanted.team_reviewers))),
    }
    await _changed(repository, pull, given)
    return ApiAnswer([shapes.review_request(record, pull, each) for each in wanted.reviewers], 201)


def _check(record: RepositoryRecord, logins: Sequence[str], what: str) -> None:
    for login in logins:
        if record.role(login) is None:
            raise Answered(422, f"{login} can not be {what} here")


async def _changed(repository: Repository, pull: Pull, fields: dict[str, object]) -> Pull:
    if not fields:
        return pull
    async with repository.changing():
        newest = repository.record.pull(pull.number)
        assert newest is not None
        changed = newest.model_copy(update={**fields, "updated_at": now()})
        repository.record = repository.record.with_pull(changed)
        return changed
