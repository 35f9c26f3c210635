"""Issues at GitLab; see daemon.forges.issue_talk.AskingIssues."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlencode

from pydantic import TypeAdapter

from daemon.forges.audience import Author
from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.payloads import NewNote, Note, Person, Project
from daemon.forges.gitlab.replies import without_commands
from daemon.forges.issue_talk import Listed, Told, has_label, is_label
from daemon.forges.said import Comment, User
from domain.intake.issue import IssueStanding
from domain.tolerant import OR_NONE, Tolerant

NOTES = TypeAdapter(tuple[Note, ...])


class GitLabIssue(Tolerant):
    iid: int
    title: str
    description: str | None = None
    author: Person | None = None
    web_url: str
    state: str
    discussion_locked: bool | None = None
    moved_to_id: int | None = None
    labels: tuple[str, ...] = ()
    updated_at: str = ""


class EventLabel(Tolerant):
    name: str = ""


class LabelEvent(Tolerant):
    id: int
    user: Person | None = None
    action: str = ""
    label: Annotated[EventLabel | None, OR_NONE] = None
    """None: it was deleted."""


ISSUES = TypeAdapter(tuple[GitLabIssue, ...])
EVENTS = TypeAdapter(tuple[LabelEvent, ...])


class GitLabIssues:
    """Of one project."""

    def __init__(self, api: GitLabApi, project: Project) -> None:
        self._api = api
        self._path = f"/projects/{project.id}/issues"

    async def issue(self, number: int) -> Told:
        """Reporters and assignees can change a title and a text there, too, who may not write: whoever is told of in a
        note of GitLab's own may have done so (from memory).
        """
        found = await self._api.read(f"{self._path}/{number}", GitLabIssue)
        standing = IssueStanding.OPEN if found.state == "opened" else IssueStanding.CLOSED
        notes = await self._notes(number) if not found.moved_to_id else []
        return Told(
            number=found.iid,
            standing=IssueStanding.MOVED if found.moved_to_id else standing,
            title=found.title,
            text=found.description or "",
            url=found.web_url,
            author=Author(found.author.user if found.author else None),
            editors=tuple(dict.fromkeys(_user(each) for each in notes if each.system)),
            is_locked=bool(found.discussion_locked),
            labels=found.labels,
            said=tuple(_comment(found.web_url, each) for each in notes if not each.system),
        )

    async def labelled(self, label: str) -> list[Listed]:
        found = await self._api.all(f"{self._path}?{urlencode({'state': 'opened', 'labels': label})}", ISSUES)
        return [Listed(each.iid, each.updated_at) for each in found if has_label(label, each.labels)]

    async def labeller(self, number: int, label: str) -> User | None:
        told = await self._api.all(f"{self._path}/{number}/resource_label_events", EVENTS)
        given = [each for each in told if each.action == "add" and each.label and is_label(label, each.label.name)]
        last = max(given, key=lambda each: each.id, default=None)
        return last.user.user if last and last.user else None

    async def post(self, number: int, body: str, existing: Callable[[], Awaitable[Comment | None]]) -> Comment:
        async def known() -> Note | None:
            found = await existing()
            return Note(id=found.id, created_at=found.created_at, updated_at=found.updated_at) if found else None

        note = NewNote(body=without_commands(body))
        return _comment("", await self._api.post_once(f"{self._path}/{number}/notes", note, Note, known))

    async def edit(self, number: int, comment: int, body: str) -> Comment:
        note = NewNote(body=without_commands(body))
        return _comment("", await self._api.put(f"{self._path}/{number}/notes/{comment}", note, Note))

    async def _notes(self, number: int) -> list[Note]:
        """The oldest first."""
        return sorted(await self._api.all(f"{self._path}/{number}/notes", NOTES), key=lambda each: each.id)


def _comment(issue: str, note: Note) -> Comment:
    """`issue`: its page's address."""
    return Comment(
        id=note.id,
        user=_user(note),
        body=note.body,
        html_url=f"{issue}#note_{note.id}",
        created_at=note.created_at,
        updated_at=note.updated_at,
    )


def _user(note: Note) -> User | None:
    return note.author.user if note.author else None
