"""Issues at GitLab; see daemon.forges.issue_talk.AskingIssues."""

from __future__ import annotations

from pydantic import TypeAdapter

from daemon.forges.audience import Author
from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.payloads import Note, Person, Project
from daemon.forges.issue_talk import Told
from daemon.forges.said import Comment, User
from domain.intake.issue import IssueStanding
from domain.tolerant import Tolerant

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
            said=tuple(_comment(found, each) for each in notes if not each.system),
        )

    async def _notes(self, number: int) -> list[Note]:
        """The oldest first."""
        return sorted(await self._api.all(f"{self._path}/{number}/notes", NOTES), key=lambda each: each.id)


def _comment(issue: GitLabIssue, note: Note) -> Comment:
    address = f"{issue.web_url}#note_{note.id}"
    return Comment(id=note.id, user=_user(note), body=note.body, html_url=address, created_at=note.created_at)


def _user(note: Note) -> User | None:
    return note.author.user if note.author else None
