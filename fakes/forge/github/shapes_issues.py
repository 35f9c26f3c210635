"""The JSON shapes of what a pull request has of an issue."""

from __future__ import annotations

from urllib.parse import quote

from fakes.forge.addresses import account_id, moment
from fakes.forge.github.shapes_places import Json, Places, node_id
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
        api = f"{self.api(record)}/issues/{pull.number}"
        ends = ("comments", "events", "timeline")
        return self.of_issue(record, pull) | {
            "id": pull.id,
            "node_id": node_id("PullRequest", pull.id),
            "number": pull.number,
            "url": api,
            "repository_url": self.api(record),
            "labels_url": f"{api}/labels{{/name}}",
            **{f"{each}_url": f"{api}/{each}" for each in ends},
            "html_url": self.pull_page(record, pull),
            "state": pull.state.value,
            "locked": False,
            "title": pull.title,
            "body": pull.body or None,
            "user": self.user(pull.author),
            "author_association": record.association(pull.author),
            "comments": sum(each.pull == pull.number for each in record.comments),
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "closed_at": moment(pull.closed_at),
        }
