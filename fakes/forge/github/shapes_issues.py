"""The JSON shapes of what a pull request has of an issue."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from fakes.forge.addresses import account_id, moment
from fakes.forge.github.shapes_places import Json, Places, node_id
from fakes.forge.issue_records import Issue, LabelEvent
from fakes.forge.merge_records import QUEUE_NUMBERS, TURN_NUMBERS, Turned
from fakes.forge.records import Pull, RepositoryRecord


class IssueShapes(Places):
    """Labels, milestones, teams, and the issue that each pull request is."""

    def label(self, record: RepositoryRecord, name: str) -> Json:
        number = account_id(f"{record.full_name} {name}")
        return {
            "id": number,
            "node_id": node_id("Label", number),
            "url": f"{self.api(record)}/labels/{quote(name, safe='')}",
            "name": name,
            "description": "",
            "color": "ededed",
            "default": False,
        }

    def milestone(self, record: RepositoryRecord, title: str) -> Json:
        number, created = record.milestones.index(title) + 1, moment(record.created_at)
        api = f"{self.api(record)}/milestones/{number}"
        counted = dict.fromkeys(("open_issues", "closed_issues"), 0)
        return counted | {
            "id": number,
            "node_id": node_id("Milestone", number),
            "number": number,
            "title": title,
            "state": "open",
            "creator": self.user(record.owner),
            "url": api,
            "labels_url": f"{api}/labels",
            "html_url": f"{self.page(record)}/milestone/{number}",
            "created_at": created,
            "updated_at": created,
            **dict.fromkeys(("description", "due_on", "closed_at")),
        }

    def team(self, record: RepositoryRecord, slug: str) -> Json:
        number = account_id(f"{record.owner}/{slug}")
        api = f"{self.url}/api/v3/organizations/{account_id(record.owner)}/team/{number}"
        return {
            "id": number,
            "node_id": node_id("Team", number),
            "url": api,
            "members_url": f"{api}/members{{/member}}",
            "name": slug,
            "slug": slug,
            "description": None,
            "permission": "push",
            "type": "organization",
            "html_url": f"{self.url}/orgs/{record.owner}/teams/{slug}",
            "repositories_url": f"{api}/repos",
        }

    def of_issue(self, record: RepositoryRecord, pull: Pull) -> Json:
        """What stands in a pull request and in its issue alike."""
        assignees = [self.user(each) for each in pull.assignees]
        return {
            "labels": [self.label(record, each) for each in pull.labels],
            "milestone": self.milestone(record, pull.milestone) if pull.milestone else None,
            "assignee": assignees[0] if assignees else None,
            "assignees": assignees,
        }

    def issue(self, record: RepositoryRecord, pull: Pull) -> Json:
        """The one that a pull request is."""
        return (
            self.of_issue(record, pull)
            | self._issue(record, pull, "PullRequest")
            | {
                "html_url": self.pull_page(record, pull),
                "state": pull.state.value,
                "locked": False,
            }
        )

    def plain_issue(self, record: RepositoryRecord, issue: Issue) -> Json:
        return self._issue(record, issue, "Issue") | {
            "html_url": f"{self.page(record)}/issues/{issue.number}",
            "state": "open" if issue.is_open else "closed",
            "locked": issue.locked,
            "labels": [self.label(record, each) for each in issue.labels],
            **dict.fromkeys(("milestone", "assignee")),
            "assignees": [],
        }

    def label_event(self, record: RepositoryRecord, event: LabelEvent) -> Json:
        told = self._event(record, event.id, event.user, event.at)
        label = {"name": event.label, "color": "ededed"}
        return told | {"event": "labeled" if event.is_added else "unlabeled", "label": label}

    def merge_turn(self, record: RepositoryRecord, pull: Pull, place: int) -> Json:
        """That merging by itself was turned on or off (the events' names from memory)."""
        turn = pull.turns[place]
        name = f"auto_{turn.method}_enabled" if turn.what is Turned.ON else "auto_merge_disabled"
        return self._event(record, pull.id + TURN_NUMBERS + place, turn.user, turn.at) | {"event": name}

    def queue_turn(self, record: RepositoryRecord, pull: Pull, place: int) -> Json:
        """That it went into the merge queue or left it; why, REST doesn't tell (all of it from memory)."""
        turn = pull.queue_turns[place]
        name = "removed_from_merge_queue" if turn.left else "added_to_merge_queue"
        return self._event(record, pull.id + QUEUE_NUMBERS + place, turn.user, turn.at) | {"event": name}

    def _event(self, record: RepositoryRecord, number: int, user: str, at: datetime) -> Json:
        return {
            "id": number,
            "node_id": node_id("Event", number),
            "url": f"{self.api(record)}/issues/events/{number}",
            "actor": self.author(user),
            "commit_id": None,
            "commit_url": None,
            "created_at": moment(at),
        }

    def _issue(self, record: RepositoryRecord, of: Issue | Pull, kind: str) -> Json:
        api = f"{self.api(record)}/issues/{of.number}"
        ends = ("comments", "events", "timeline")
        return {
            "id": of.id,
            "node_id": node_id(kind, of.id),
            "number": of.number,
            "url": api,
            "repository_url": self.api(record),
            "labels_url": f"{api}/labels{{/name}}",
            **{f"{each}_url": f"{api}/{each}" for each in ends},
            "title": of.title,
            "body": of.body or None,
            "user": self.author(of.author),
            "author_association": record.association(of.author),
            "comments": sum(each.pull == of.number for each in record.comments),
            "created_at": moment(of.created_at),
            "updated_at": moment(of.updated_at),
            "closed_at": moment(of.closed_at),
        }
