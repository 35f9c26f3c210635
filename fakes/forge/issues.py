"""What may become of an issue: opened, edited, labelled, locked, closed, deleted, transferred."""

from __future__ import annotations

from fakes.forge.api_errors import not_found
from fakes.forge.issue_records import Issue, IssueEdit, LabelEvent
from fakes.forge.records import RepositoryRecord, now
from fakes.forge.store import Repository
from fakes.forge.stored import Stored


class IssueWanted(Stored):
    user: str
    title: str
    body: str = ""
    label: str | None = None
    """With which its author begins it."""


class IssueChange(Stored):
    """What is None stays as it is; `user` does it."""

    user: str
    title: str | None = None
    body: str | None = None
    label: str | None = None
    """Is added."""
    unlabel: str | None = None
    """Is taken away."""
    is_open: bool | None = None
    not_planned: bool = False
    """Why it is closed, at a forge that says so; else it is completed."""
    locked: bool | None = None
    deleted: bool | None = None
    moved_to: str | None = None


async def open_issue(repository: Repository, wanted: IssueWanted) -> Issue:
    async with repository.changing():
        record, at = repository.record, now()
        issue = Issue(
            number=record.next_number, id=record.next_id, title=wanted.title, body=wanted.body, author=wanted.user,
            created_at=at, updated_at=at,
        )  # fmt: skip
        record = record.with_changes(last_id=record.last_id + 1)
        issue = _labelled(record, issue, IssueChange(user=wanted.user, label=wanted.label))
        labels = tuple(dict.fromkeys((*record.labels, *issue.labels)))
        repository.record = record.with_changes(last_id=record.last_id + 1, labels=labels).with_issue(issue)
        return issue


async def change_issue(repository: Repository, number: int, change: IssueChange) -> Issue:
    """Do all that is asked for; Answered with 404 where there is no such issue."""
    async with repository.changing():
        record = repository.record
        issue = record.issue(number)
        if issue is None or issue.deleted:
            raise not_found()
        fields = change.model_dump(include={"title", "body", "is_open", "locked", "deleted", "moved_to"})
        known = {name: value for name, value in fields.items() if value is not None}
        changed = issue.model_copy(update={**known, "updated_at": now()})
        if change.title is not None or change.body is not None:
            edit = IssueEdit(id=record.next_id, user=change.user, at=now())
            changed = changed.model_copy(update={"edits": (*issue.edits, edit)})
        if change.is_open is not None and change.is_open != issue.is_open:
            done = "not_planned" if change.not_planned else "completed"
            reason, closed = ("reopened", None) if change.is_open else (done, now())
            changed = changed.model_copy(update={"closed_at": closed, "state_reason": reason})
        changed = _labelled(record, changed, change)
        labels = tuple(dict.fromkeys((*record.labels, *changed.labels)))
        repository.record = record.with_changes(last_id=record.last_id + 1, labels=labels).with_issue(changed)
        return changed


def _labelled(record: RepositoryRecord, issue: Issue, change: IssueChange) -> Issue:
    for label, is_added in ((change.unlabel, False), (change.label, True)):
        if label is None or (label in issue.labels) == is_added:
            continue
        event = LabelEvent(id=record.next_id, user=change.user, label=label, is_added=is_added, at=now())
        left = tuple(each for each in issue.labels if each != label)
        issue = issue.model_copy(
            update={
                "labels": (*left, label) if is_added else left,
                "label_events": (*issue.label_events, event),
            }
        )
    return issue
