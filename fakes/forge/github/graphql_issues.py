"""What GraphQL answers of issues, of what stands below them, and of labels, people and teams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fakes.forge.addresses import account_id, moment
from fakes.forge.forge import Forge
from fakes.forge.github.graphql_parts import connection
from fakes.forge.github.shapes import BOT, Json, Shapes, node_id
from fakes.forge.issue_records import Issue
from fakes.forge.records import Account, Comment, RepositoryRecord
from fakes.forge.store import Repository

NOTHING = ("projectCards", "projectItems")
"""Lists that this forge has no entries for."""


def is_there(issue: Issue) -> bool:
    return not (issue.deleted or issue.moved_to)


def issue_node(issue: Issue) -> str:
    return node_id("Issue", issue.id)


def label_node(record: RepositoryRecord, name: str) -> str:
    return node_id("Label", account_id(f"{record.full_name} {name}"))


def team_node(record: RepositoryRecord, slug: str) -> str:
    return node_id("Team", account_id(f"{record.owner}/{slug}"))


@dataclass(frozen=True)
class IssueGraph:
    """Objects as the default resolver takes them: a dict's callable is called with `info` and the arguments."""

    forge: Forge
    account: Account | None

    def user(self, login: str) -> Json:
        node = Shapes(self.forge.url).user(login)["node_id"]
        return {"__typename": "User", "id": node, "login": login, "name": login}

    def actor(self, login: str) -> Json:
        """Who has done something: an app by its name alone there, unlike where a user stands."""
        user = self.user(login)
        return user | {"__typename": "Bot", "login": login.removesuffix(BOT)} if login.endswith(BOT) else user

    def team(self, record: RepositoryRecord, slug: str) -> Json:
        names = {"id": team_node(record, slug), "name": slug, "slug": slug, "organization": {"login": record.owner}}
        return {"__typename": "Team", **names}

    def label(self, record: RepositoryRecord, name: str) -> Json:
        shape = Shapes(self.forge.url).label(record, name)
        return {"id": label_node(record, name), **{each: shape[each] for each in ("name", "description", "color")}}

    def labels(self, record: RepositoryRecord, names: Sequence[str]) -> Any:
        return connection(self.label(record, each) for each in names)

    def of_issues(self, repository: Repository) -> Json:
        """The fields of a repository that lead to its issues, its labels and those who may be assigned."""
        record = repository.record

        def issue(_info: Any, number: int) -> Json | None:
            found = record.issue(number)
            return self.issue(record, found) if found and is_there(found) else None

        def issues(_info: Any, **wanted: Any) -> Json:
            found = [each for each in record.issues if is_there(each) and _is_wanted(each, wanted)]
            if (wanted.get("orderBy") or {}).get("direction", "ASC") == "DESC":
                found.reverse()
            return connection([self.issue(record, each) for each in found])(_info, **wanted)

        def label(_info: Any, name: str) -> Json | None:
            known = next((each for each in record.labels if each.lower() == name.lower()), None)
            return self.label(record, known) if known else None

        people = dict.fromkeys((*record.collaborators, *(() if record.teams else (record.owner,))))
        return {
            "hasIssuesEnabled": True,
            "issue": issue,
            "issues": issues,
            "label": label,
            "labels": self.labels(record, sorted(record.labels)),
            "assignableUsers": connection(self.user(each) for each in people),
        }

    def issue(self, record: RepositoryRecord, issue: Issue) -> Json:
        return {
            "__typename": "Issue",
            "id": issue_node(issue),
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "url": f"{Shapes(self.forge.url).page(record)}/issues/{issue.number}",
            "state": "OPEN" if issue.is_open else "CLOSED",
            "stateReason": issue.state_reason.upper() or None,
            "closed": not issue.is_open,
            "author": self.actor(issue.author) if issue.author else None,
            "createdAt": moment(issue.created_at),
            "updatedAt": moment(issue.updated_at),
            "closedAt": moment(issue.closed_at),
            "labels": self.labels(record, issue.labels),
            "comments": self.comments(record, issue.number),
            "assignees": connection(()),
            **{name: connection(()) for name in NOTHING},
            "milestone": None,
            "reactionGroups": [],
        }

    def comments(self, record: RepositoryRecord, number: int) -> Any:
        return connection(self.comment(record, each) for each in record.comments if each.pull == number)

    def comment(self, record: RepositoryRecord, comment: Comment) -> Json:
        return {
            "__typename": "IssueComment",
            "id": node_id("IssueComment", comment.id),
            "author": self.actor(comment.user) if comment.user else None,
            "authorAssociation": record.association(comment.user),
            "body": comment.body,
            "createdAt": moment(comment.created_at),
            **dict.fromkeys(("includesCreatedEdit", "isMinimized"), False),
            "reactionGroups": [],
            "url": Shapes(self.forge.url).comment(record, comment)["html_url"],
            "viewerDidAuthor": bool(self.account and self.account.login == comment.user),
        }


def _is_wanted(issue: Issue, wanted: dict[str, Any]) -> bool:
    """Whether the arguments of `issues` ask for it; nobody is assigned to any here."""
    filters = wanted.get("filterBy") or {}
    state = "OPEN" if issue.is_open else "CLOSED"
    author, mentioned = filters.get("createdBy"), filters.get("mentioned")
    labels = wanted.get("labels") or filters.get("labels") or ()
    return (
        state in (wanted.get("states") or filters.get("states") or (state,))
        and author in (None, issue.author)
        and (mentioned is None or f"@{mentioned}" in issue.body)
        and filters.get("assignee") is None
        and set(labels) <= set(issue.labels)
    )
