"""REST: issues, what a pull request has of one (labels, assignees, milestone), and who is asked for a review."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.routing import Route

from fakes.forge.api_errors import Answered, not_found, refused
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.furnishing import ask_for_reviews, changed_pull, give_labels
from fakes.forge.github.shapes import Json, Shapes
from fakes.forge.issue_records import Issue
from fakes.forge.records import Pull, RepositoryRecord
from fakes.forge.store import Repository

_ISSUE = "/repos/{owner}/{repo}/issues/{number:int}"


class LabelsBody(BaseModel):
    labels: tuple[str, ...] = Field(min_length=1)


class AssigneesBody(BaseModel):
    assignees: tuple[str, ...] = ()


class ReviewersBody(BaseModel):
    reviewers: tuple[str, ...] = ()
    team_reviewers: tuple[str, ...] = ()


class IssueBody(BaseModel):
    milestone: int | None = None


def routes(api: Routes) -> list[Route]:
    return [
        api.route("/repos/{owner}/{repo}/labels/{name:path}", GET=get_label),
        api.route("/repos/{owner}/{repo}/milestones", GET=list_milestones),
        api.route("/repos/{owner}/{repo}/issues", GET=list_issues),
        api.route(_ISSUE, GET=get_issue, PATCH=update_issue),
        api.route(f"{_ISSUE}/events", GET=list_events),
        api.route(f"{_ISSUE}/labels", POST=add_labels),
        api.route(f"{_ISSUE}/labels/{{name}}", DELETE=remove_label),
        api.route(f"{_ISSUE}/assignees", POST=add_assignees),
        api.route("/repos/{owner}/{repo}/pulls/{number:int}/requested_reviewers", POST=request_reviewers),
    ]


async def list_issues(call: Call) -> ApiAnswer:
    """Pull requests are among them."""
    record, shapes = call.repository().record, Shapes(call.forge.url)
    asked = call.request.query_params
    wanted, state = set(filter(None, asked.get("labels", "").split(","))), asked.get("state", "open")
    found = [(each.number, shapes.plain_issue(record, each)) for each in record.issues if _is_there(each)]
    pulls = [(each.number, _as_issue(shapes, record, each)) for each in record.pulls]
    shown = [
        told
        for _, told in sorted([*found, *pulls], key=lambda each: -each[0])
        if state in ("all", told["state"]) and wanted <= {label["name"] for label in told["labels"]}
    ]
    page, headers = call.page(shown)
    return ApiAnswer(list(page), headers=headers)


async def get_issue(call: Call) -> ApiAnswer:
    """Of a pull request what it has of one; who asks for one that was transferred is sent on."""
    record, shapes, number = call.repository().record, Shapes(call.forge.url), call.number("number")
    pull = record.pull(number)
    if pull is not None:
        return ApiAnswer(_as_issue(shapes, record, pull))
    _, issue = call.issue()
    if issue.moved_to:
        where, _, there = issue.moved_to.rpartition("#")
        location = f"{call.forge.url}/api/v3/repos/{where}/issues/{there}"
        raise Answered(301, "Moved Permanently", headers={"Location": location})
    return ApiAnswer(shapes.plain_issue(record, issue))


async def list_events(call: Call) -> ApiAnswer:
    shapes, number = Shapes(call.forge.url), call.number("number")
    if call.repository().record.pull(number):
        repository, pull = await call.pull()
        told = [shapes.merge_turn(repository.record, pull, place) for place in range(len(pull.turns))]
        told += [shapes.queue_turn(repository.record, pull, place) for place in range(len(pull.queue_turns))]
        told.sort(key=lambda each: str(each["created_at"]))
    else:
        repository, issue = call.issue()
        told = [shapes.label_event(repository.record, each) for each in issue.label_events]
    page, headers = call.page(told)
    return ApiAnswer(list(page), headers=headers)


def _is_there(issue: Issue) -> bool:
    return not (issue.deleted or issue.moved_to)


def _as_issue(shapes: Shapes, record: RepositoryRecord, pull: Pull) -> Json:
    address = shapes.pull_page(record, pull)
    api = f"{shapes.api(record)}/pulls/{pull.number}"
    ends = {"url": api, "html_url": address, "diff_url": f"{address}.diff", "patch_url": f"{address}.patch"}
    return shapes.issue(record, pull) | {"pull_request": ends | {"merged_at": None}}


async def get_label(call: Call) -> ApiAnswer:
    record, name = call.repository().record, call.request.path_params["name"]
    if name.lower() not in map(str.lower, record.labels):
        raise not_found()
    return ApiAnswer(Shapes(call.forge.url).label(record, name))


async def list_milestones(call: Call) -> ApiAnswer:
    record = call.repository().record
    page, headers = call.page(record.milestones)
    return ApiAnswer([Shapes(call.forge.url).milestone(record, each) for each in page], headers=headers)


async def update_issue(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(IssueBody)
    titles = repository.record.milestones
    if wanted.milestone is not None:
        if not 1 <= wanted.milestone <= len(titles):
            raise refused("Issue", "milestone is invalid")
        pull = await changed_pull(repository, pull, milestone=titles[wanted.milestone - 1])
    return ApiAnswer(Shapes(call.forge.url).issue(repository.record, pull))


async def add_labels(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(LabelsBody)
    return _labels(call, repository, await give_labels(repository, pull, wanted.labels))


async def remove_label(call: Call) -> ApiAnswer:
    (repository, pull), name = await call.pull(), call.request.path_params["name"]
    if name not in pull.labels:
        raise not_found()
    left = tuple(each for each in pull.labels if each != name)
    return _labels(call, repository, await changed_pull(repository, pull, labels=left))


async def add_assignees(call: Call) -> ApiAnswer:
    """Only who may write is assigned; the others are left out without a word (from memory)."""
    (repository, pull), wanted = await call.pull(), await call.body(AssigneesBody)
    taken = [each for each in wanted.assignees if repository.record.role(each)]
    pull = await changed_pull(repository, pull, assignees=tuple(dict.fromkeys((*pull.assignees, *taken))))
    return ApiAnswer(Shapes(call.forge.url).issue(repository.record, pull), 201)


async def request_reviewers(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(ReviewersBody)
    pull = await ask_for_reviews(repository, pull, wanted.reviewers, wanted.team_reviewers)
    return ApiAnswer(Shapes(call.forge.url).pull(repository.record, pull, call.account), 201)


def _labels(call: Call, repository: Repository, pull: Pull) -> ApiAnswer:
    return ApiAnswer([Shapes(call.forge.url).label(repository.record, each) for each in pull.labels])
