"""Gitea's REST: issues, and who has given them their labels."""

from __future__ import annotations

from starlette.routing import Route

from fakes.forge.api_errors import not_found
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.gitea.shapes import GiteaShapes
from fakes.forge.gitea.shapes_places import Json, moment
from fakes.forge.issue_records import Issue, LabelEvent
from fakes.forge.merge_records import TURN_NUMBERS, Turned
from fakes.forge.records import Pull, RepositoryRecord

_ISSUES = "/repos/{owner}/{repo}/issues"


def routes(api: Routes) -> list[Route]:
    return [
        api.route(_ISSUES, GET=list_issues),
        api.route(f"{_ISSUES}/{{number:int}}", GET=get_issue),
        api.route(f"{_ISSUES}/{{number:int}}/timeline", GET=timeline),
    ]


async def list_issues(call: Call) -> ApiAnswer:
    """The newest first, without pull requests where `type` says so, which is all that the adapter asks for."""
    record, asked = call.repository().record, call.request.query_params
    wanted, state = set(filter(None, asked.get("labels", "").split(","))), asked.get("state", "open")
    found = [
        each
        for each in reversed(record.issues)
        if not each.deleted and state in ("all", "open" if each.is_open else "closed") and wanted <= set(each.labels)
    ]
    page, headers = call.page(found)
    return ApiAnswer([_issue(call, record, each) for each in page], headers=headers)


async def get_issue(call: Call) -> ApiAnswer:
    """One that was deleted is gone without a word (from memory)."""
    repository, number = call.repository(), call.number("number")
    issue = repository.record.issue(number)
    if issue is None or issue.deleted:
        raise not_found()
    return ApiAnswer(_issue(call, repository.record, issue))


async def timeline(call: Call) -> ApiAnswer:
    """Comments and events, the oldest first; `body` of one about a label is "1" where it was given (from memory)."""
    repository, number = await call.talked_about()
    record, shapes = repository.record, GiteaShapes(call.forge.url)
    said = [each for each in record.comments if each.pull == number]
    told = [(each.created_at, shapes.comment(record, each) | {"type": "comment"}) for each in said]
    if issue := record.issue(number):
        told += [(each.at, _label_event(call, record, issue, each)) for each in issue.label_events]
    if pull := record.pull(number):
        told += [(each.at, _turned(shapes, pull, place)) for place, each in enumerate(pull.turns)]
    page, headers = call.page([shape for _, shape in sorted(told, key=lambda each: each[0])])
    return ApiAnswer(list(page), headers=headers)


def _label_event(call: Call, record: RepositoryRecord, issue: Issue, event: LabelEvent) -> Json:
    at, shapes = moment(event.at), GiteaShapes(call.forge.url)
    page = f"{shapes.page(record)}/issues/{issue.number}"
    return {
        "id": event.id,
        "type": "label",
        "html_url": f"{page}#issuecomment-{event.id}",
        "issue_url": page,
        "pull_request_url": "",
        "user": shapes.user(event.user),
        "body": "1" if event.is_added else "",
        "created_at": at,
        "updated_at": at,
        "label": shapes.label(record, event.label),
    }


def _turned(shapes: GiteaShapes, pull: Pull, place: int) -> Json:
    """That merging by itself was asked for, or taken back (the types from memory)."""
    turn = pull.turns[place]
    kind = "pull_scheduled_merge" if turn.what is Turned.ON else "pull_cancel_scheduled_merge"
    return {"id": pull.id + TURN_NUMBERS + place, "type": kind, "user": shapes.user(turn.user), "body": ""}


def _issue(call: Call, record: RepositoryRecord, issue: Issue) -> Json:
    shapes = GiteaShapes(call.forge.url)
    page = f"{shapes.page(record)}/issues/{issue.number}"
    return {
        "id": issue.id,
        "number": issue.number,
        "url": f"{call.forge.url}/api/v1/repos/{record.full_name}/issues/{issue.number}",
        "html_url": page,
        "title": issue.title,
        "body": issue.body,
        "user": shapes.user(issue.author),
        "original_author": "",
        "original_author_id": 0,
        "state": "open" if issue.is_open else "closed",
        "is_locked": issue.locked,
        "labels": [shapes.label(record, each) for each in issue.labels],
        "comments": sum(each.pull == issue.number for each in record.comments),
        "ref": "",
        "pin_order": 0,
        "assets": [],
        "repository": {
            "id": record.id,
            "name": record.name,
            "owner": record.owner,
            "full_name": record.full_name,
        },
        **dict.fromkeys(("milestone", "assignee", "assignees", "pull_request", "due_date")),
        "created_at": moment(issue.created_at),
        "updated_at": moment(issue.updated_at),
        "closed_at": moment(issue.closed_at),
    }
