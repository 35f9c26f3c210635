"""GitLab's REST: issues, their notes, and who has given them their labels."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.routing import Route

from fakes.forge import talk
from fakes.forge.addresses import account_id
from fakes.forge.calling import ApiAnswer, Routes
from fakes.forge.gitlab.calling import PROJECT, GitLabCall, Said, route
from fakes.forge.gitlab.shapes import Json, moment
from fakes.forge.issue_records import Issue
from fakes.forge.records import Comment, RepositoryRecord
from fakes.forge.store import Repository

_ISSUE = f"{PROJECT}/issues/{{iid:int}}"


class NoteBody(BaseModel):
    body: str = Field(min_length=1)


def routes(api: Routes) -> list[Route]:
    return [
        route(api, f"{PROJECT}/issues", GET=list_issues),
        route(api, _ISSUE, GET=get_issue),
        route(api, f"{_ISSUE}/notes", GET=list_notes, POST=add_note),
        route(api, f"{_ISSUE}/notes/{{note:int}}", PUT=edit_note),
        route(api, f"{_ISSUE}/resource_label_events", GET=label_events),
    ]


async def list_issues(call: GitLabCall) -> ApiAnswer:
    record = call.repository().record
    wanted, state = set(filter(None, call.query("labels").split(","))), call.query("state", "all")
    found = [
        each
        for each in reversed(record.issues)
        if not each.deleted and state in ("all", _state(each)) and wanted <= set(each.labels)
    ]
    return call.listed([_shape(call, record, each) for each in found])


async def get_issue(call: GitLabCall) -> ApiAnswer:
    repository, issue = _issue(call)
    return ApiAnswer(_shape(call, repository.record, issue))


async def list_notes(call: GitLabCall) -> ApiAnswer:
    """What people say, and what GitLab tells of what they do: that is a note of theirs, too, with `system`."""
    repository, issue = _issue(call)
    record = repository.record
    notes = [
        (each.created_at, _note(call, record, issue, each)) for each in record.comments if each.pull == issue.number
    ]
    for edit in issue.edits:
        said = Comment(
            id=edit.id, pull=issue.number, user=edit.user, body="changed the description", created_at=edit.at
        )
        notes.append((edit.at, _note(call, record, issue, said) | {"system": True}))
    notes.sort(key=lambda each: each[0], reverse=call.query("sort", "desc") == "desc")
    return call.listed([shape for _, shape in notes])


async def add_note(call: GitLabCall) -> ApiAnswer:
    (repository, issue), body = _issue(call), await call.body(NoteBody)
    made = await talk.add_comment(repository, issue.number, call.login, body.body)
    return ApiAnswer(_note(call, repository.record, issue, made), 201)


async def edit_note(call: GitLabCall) -> ApiAnswer:
    (repository, issue), body = _issue(call), await call.body(NoteBody)
    number = call.number("note")
    if all((each.pull, each.id) != (issue.number, number) for each in repository.record.comments):
        raise Said(404, "404 Note Not Found")
    await talk.edit_comment(repository, number, body.body)
    changed = next(each for each in repository.record.comments if each.id == number)
    return ApiAnswer(_note(call, repository.record, issue, changed))


async def label_events(call: GitLabCall) -> ApiAnswer:
    repository, issue = _issue(call)
    shown = [
        {
            "id": each.id,
            "user": call.shapes.user(each.user),
            "created_at": moment(each.at),
            "resource_type": "Issue",
            "resource_id": issue.id,
            "label": {
                "id": account_id(f"{repository.record.full_name} {each.label}"),
                "name": each.label,
                "color": "#ededed",
                "description": None,
            },
            "action": "add" if each.is_added else "remove",
        }
        for each in issue.label_events
    ]
    return call.listed(shown)


def _issue(call: GitLabCall) -> tuple[Repository, Issue]:
    repository = call.repository()
    issue = repository.record.issue(call.number("iid"))
    if issue is None or issue.deleted:
        raise Said(404, "404 Not found")
    return repository, issue


def _state(issue: Issue) -> str:
    return "opened" if issue.is_open and not issue.moved_to else "closed"


def _shape(call: GitLabCall, record: RepositoryRecord, issue: Issue) -> Json:
    return {
        "id": issue.id,
        "iid": issue.number,
        "project_id": record.id,
        "title": issue.title,
        "description": issue.body or None,
        "state": _state(issue),
        "discussion_locked": issue.locked or None,
        "moved_to_id": account_id(issue.moved_to) if issue.moved_to else None,
        "closed_at": moment(issue.closed_at),
        "created_at": moment(issue.created_at),
        "updated_at": moment(issue.updated_at),
        "labels": list(issue.labels),
        "milestone": None,
        "assignees": [],
        "assignee": None,
        "author": _account(call, issue.author),
        "user_notes_count": sum(each.pull == issue.number for each in record.comments),
        "upvotes": 0,
        "downvotes": 0,
        "due_date": None,
        "confidential": False,
        "web_url": f"{call.shapes.page(record)}/-/issues/{issue.number}",
    }


def _account(call: GitLabCall, login: str) -> Json:
    user = call.shapes.user(login)
    return user | {"avatar_url": f"{call.forge.url}/{user['username']}.png"}


def _note(call: GitLabCall, record: RepositoryRecord, issue: Issue, said: Comment) -> Json:
    return {
        "id": said.id,
        "type": None,
        "body": said.body,
        "author": call.shapes.user(said.user),
        "created_at": moment(said.created_at),
        "updated_at": moment(said.updated_at or said.created_at),
        "system": False,
        "noteable_id": issue.id,
        "noteable_type": "Issue",
        "noteable_iid": issue.number,
        "project_id": record.id,
        "resolvable": False,
        "confidential": False,
        "internal": False,
        "imported": False,
        "imported_from": "none",
        "commands_changes": {},
    }
