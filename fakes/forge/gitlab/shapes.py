"""What GitLab shows of users, projects, branches and commits; the other shapes build on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from fakes.forge.addresses import account_id
from fakes.forge.bare_git import Commit
from fakes.forge.records import Account, RepositoryRecord, Role

Json = dict[str, Any]
GHOST = "ghost"
"""Whom everything is of whose account was deleted."""
ACCESS = {None: 0, Role.READ: 20, Role.TRIAGE: 20, Role.WRITE: 30, Role.MAINTAIN: 40, Role.ADMIN: 50}


def moment(at: datetime | None) -> str | None:
    """With milliseconds, as GitLab writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z" if at else None


class Shapes:
    """`url` is the forge's own, which all links begin with."""

    def __init__(self, url: str) -> None:
        self.url = url

    def user(self, login: str) -> Json:
        name = login or GHOST
        return {
            "id": account_id(name),
            "username": name,
            "public_email": None,
            "name": name,
            "state": "active",
            "locked": False,
            "avatar_url": None,
            "web_url": f"{self.url}/{quote(name)}",
        }

    def whole_user(self, login: str, since: datetime) -> Json:
        """As it is answered alone."""
        told = dict.fromkeys(("bio", "location", "linkedin", "twitter", "website_url", "organization"), "")
        return self.user(login) | told | {"created_at": moment(since), "bot": is_bot(login)}

    def member(self, login: str, role: Role, since: datetime) -> Json:
        told = {"access_level": ACCESS[role], "created_at": moment(since), "expires_at": None}
        return self.user(login) | told | {"created_by": self.user("root")}

    def project(self, record: RepositoryRecord, account: Account | None) -> Json:
        page, group = self.page(record), record.owner.rpartition("/")[2]
        short: Json = {
            "id": record.id,
            "description": record.description or None,
            "name": record.name,
            "name_with_namespace": record.full_name.replace("/", " / "),
            "path": record.name,
            "path_with_namespace": record.full_name,
            "created_at": moment(record.created_at),
            "default_branch": record.default_branch,
            "tag_list": [],
            "topics": [],
            "ssh_url_to_repo": f"git@{self.url.partition('//')[2]}:{record.full_name}.git",
            "http_url_to_repo": f"{page}.git",
            "web_url": page,
            "readme_url": None,
            "avatar_url": None,
            "forks_count": 0,
            "star_count": 0,
            "last_activity_at": moment(record.created_at),
            "namespace": {
                "id": account_id(record.owner),
                "name": group,
                "path": group,
                "kind": "group",
                "full_path": record.owner,
                "parent_id": account_id(record.owner.rpartition("/")[0]) if "/" in record.owner else None,
            },
        }
        if account is None:
            return short
        level = {"access_level": 40 if account.write else 20, "notification_level": 3}
        return short | {
            "visibility": "private" if record.private else "public",
            "merge_method": "ff" if record.merge_method == "rebase" else "merge",
            "squash_option": "default_off",
            "archived": False,
            "only_allow_merge_if_pipeline_succeeds": False,
            "only_allow_merge_if_all_discussions_are_resolved": False,
            "permissions": {"project_access": level, "group_access": None},
        }

    def commit(self, record: RepositoryRecord, commit: Commit) -> Json:
        return {
            "id": commit.sha,
            "short_id": commit.sha[:8],
            "created_at": commit.committer.at,
            "parent_ids": list(commit.parents),
            "title": commit.subject,
            "message": commit.message,
            "author_name": commit.author.name,
            "author_email": commit.author.email,
            "authored_date": commit.author.at,
            "committer_name": commit.committer.name,
            "committer_email": commit.committer.email,
            "committed_date": commit.committer.at,
            "web_url": f"{self.page(record)}/-/commit/{commit.sha}",
        }

    def branch(self, record: RepositoryRecord, name: str, commit: Commit, account: Account | None) -> Json:
        return {
            "name": name,
            "commit": self.commit(record, commit),
            "merged": False,
            "protected": False,
            "developers_can_push": False,
            "developers_can_merge": False,
            "can_push": account is not None and account.write,
            "default": name == record.default_branch,
            "web_url": f"{self.page(record)}/-/tree/{quote(name)}",
        }

    def label(self, name: str) -> Json:
        told = {"color": "#6699cc", "text_color": "#ffffff", "description": None, "subscribed": False}
        return {"id": account_id(name), "name": name, **told, "priority": None, "is_project_label": True}

    def milestone(self, record: RepositoryRecord, title: str) -> Json:
        number = record.milestones.index(title) + 1
        return {
            "id": number,
            "iid": number,
            "project_id": record.id,
            "title": title,
            "description": None,
            "state": "active",
            "created_at": moment(record.created_at),
            "updated_at": moment(record.created_at),
            "start_date": None,
            "due_date": None,
            "expired": False,
            "web_url": f"{self.page(record)}/-/milestones/{number}",
        }

    def page(self, record: RepositoryRecord) -> str:
        return f"{self.url}/{record.full_name}"

    def pull_page(self, record: RepositoryRecord, number: int) -> str:
        return f"{self.page(record)}/-/merge_requests/{number}"


def is_bot(login: str) -> bool:
    return login.endswith("[bot]") or (login.startswith(("project_", "group_")) and "_bot" in login)
