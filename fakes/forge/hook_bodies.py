"""What a webhook says of an issue, as each kind of forge has it (from memory)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fakes.forge.forge import Forge
from fakes.forge.github.shapes import Shapes
from fakes.forge.issue_records import Issue
from fakes.forge.records import Comment, RepositoryRecord
from fakes.forge.webhooks import HookKind, Json


@dataclass(frozen=True)
class Happened:
    """Something that somebody has done to an issue."""

    record: RepositoryRecord
    issue: Issue
    action: str
    user: str
    comment: Comment | None = None


def tell(forge: Forge, happened: Happened) -> None:
    """Send it to all who want to know, without waiting for them."""
    body_of = partial(_body, forge.url, happened)
    forge.hooks.tell(happened.record.full_name, body_of, is_comment=happened.comment is not None)


def _body(forge: str, happened: Happened, kind: HookKind) -> Json:
    return _BODIES[kind](forge, happened)


def _github(forge: str, happened: Happened) -> Json:
    shapes, record = Shapes(forge), happened.record
    told = {
        "action": happened.action,
        "issue": shapes.plain_issue(record, happened.issue),
        "repository": shapes.full_repository(record, None),
        "sender": shapes.user(happened.user),
    }
    return told | ({"comment": shapes.comment(record, happened.comment)} if happened.comment else {})


def _gitlab(forge: str, happened: Happened) -> Json:
    record, issue, page = happened.record, happened.issue, f"{forge}/{happened.record.full_name}"
    about = {"id": issue.id, "iid": issue.number, "title": issue.title, "description": issue.body}
    project = {
        "id": record.id,
        "name": record.name,
        "web_url": page,
        "git_http_url": f"{page}.git",
        "path_with_namespace": record.full_name,
        "default_branch": record.default_branch,
    }
    told: Json = {
        "object_kind": "note" if happened.comment else "issue",
        "event_type": "note" if happened.comment else "issue",
        "user": {"name": happened.user, "username": happened.user},
        "project": project,
        "repository": {"name": record.name, "url": f"{page}.git", "description": record.description, "homepage": page},
        "labels": [{"title": each} for each in issue.labels],
    }
    if happened.comment:
        note = {"id": happened.comment.id, "note": happened.comment.body, "noteable_type": "Issue"}
        return told | {"object_attributes": note, "issue": about}
    return told | {"object_attributes": about | {"action": happened.action}}


def _gitea(forge: str, happened: Happened) -> Json:
    record, issue, page = happened.record, happened.issue, f"{forge}/{happened.record.full_name}"
    told: Json = {
        "action": happened.action,
        "number": issue.number,
        "issue": {"id": issue.id, "number": issue.number, "title": issue.title, "body": issue.body},
        "repository": {
            "id": record.id,
            "name": record.name,
            "full_name": record.full_name,
            "html_url": page,
            "clone_url": f"{page}.git",
        },
        "sender": {"login": happened.user},
    }
    return told | ({"comment": {"id": happened.comment.id, "body": happened.comment.body}} if happened.comment else {})


_BODIES = {HookKind.GITHUB: _github, HookKind.GITLAB: _gitlab, HookKind.GITEA: _gitea}
