"""People, repositories and branches in the JSON of Gitea's API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fakes.forge.addresses import Addresses, account_id
from fakes.forge.records import RepositoryRecord

Json = dict[str, Any]

GHOST = -1
"""The number of an account that was deleted (from memory)."""
_COUNTS = ("size", "stars_count", "forks_count", "watchers_count", "open_issues_count", "release_counter")
_ALLOWED = ("allow_merge_commits", "allow_rebase", "allow_rebase_explicit", "allow_squash_merge")
_HAS = ("has_issues", "has_wiki", "has_projects", "has_releases", "has_packages", "has_actions")


class PlaceShapes(Addresses):
    def user(self, login: str) -> Json:
        """Of whoever said something; empty: the account was deleted."""
        name = login or "Ghost"
        texts = dict.fromkeys(("full_name", "description", "location", "website", "language", "login_name"), "")
        flags = dict.fromkeys(("is_admin", "restricted", "prohibit_login"), False)
        return {
            "id": account_id(login) if login else GHOST,
            "login": name,
            **texts,
            **flags,
            "email": f"{account_id(name)}@noreply.forge.localhost",
            "avatar_url": f"{self.url}/{name}.png",
            "html_url": f"{self.url}/{name}",
            "active": True,
            "visibility": "public",
            "created": moment(datetime(2020, 1, 1)),
        }

    def label(self, record: RepositoryRecord, name: str) -> Json:
        return {
            "id": account_id(f"{record.full_name} {name}"),
            "name": name,
            "color": "ededed",
            "description": "",
            "exclusive": False,
            "is_archived": False,
            "url": "",
        }

    def milestone(self, record: RepositoryRecord, title: str) -> Json:
        created = moment(record.created_at)
        return {
            "id": record.milestones.index(title) + 1,
            "title": title,
            "description": "",
            "state": "open",
            "open_issues": 0,
            "closed_issues": 0,
            "created_at": created,
            "updated_at": created,
            "closed_at": None,
            "due_on": None,
        }

    def team(self, record: RepositoryRecord, name: str) -> Json:
        return {"id": account_id(f"{record.owner}/{name}"), "name": name, "description": "", "permission": "write"}

    def repository(self, record: RepositoryRecord, may_write: bool, full_name: str = "") -> Json:
        """`full_name`: of a fork of it."""
        whole = full_name or record.full_name
        owner, _, name = whole.partition("/")
        page = f"{self.url}/{whole}"
        return {
            "id": account_id(whole) if full_name else record.id,
            "owner": self.user(owner),
            "name": name,
            "full_name": whole,
            "description": record.description,
            "private": record.private,
            "fork": bool(full_name),
            "html_url": page,
            "url": f"{self.url}/api/v1/repos/{whole}",
            "clone_url": f"{page}.git",
            "ssh_url": f"git@forge.localhost:{whole}.git",
            "languages_url": f"{self.url}/api/v1/repos/{whole}/languages",
            "original_url": "",
            "default_branch": record.default_branch,
            "permissions": {"admin": may_write, "push": may_write, "pull": True},
            "object_format_name": "sha1",
            "default_merge_style": "merge",
            "open_pr_counter": sum(each.is_open for each in record.pulls),
            "has_pull_requests": True,
            "created_at": moment(record.created_at),
            "updated_at": moment(record.created_at),
            **dict.fromkeys(("link", "language", "website", "avatar_url"), ""),
            **dict.fromkeys(_COUNTS, 0),
            **dict.fromkeys(_ALLOWED, True),
            **dict.fromkeys(_HAS, False),
            **dict.fromkeys(("empty", "template", "mirror", "archived", "internal"), False),
            **dict.fromkeys(("default_delete_branch_after_merge", "ignore_whitespace_conflicts"), False),
        }

    def branch(self, record: RepositoryRecord, name: str, sha: str) -> Json:
        """Also what its rules want, but not whether it has to be up to date: an administrator is told that."""
        return {
            "name": name,
            "commit": {"id": sha, "message": "", "url": ""},
            "protected": record.is_protected,
            "required_approvals": record.approvals_required,
            "enable_status_check": bool(record.required_checks),
            "status_check_contexts": list(record.required_checks),
            "user_can_push": True,
            "user_can_merge": True,
            "effective_branch_protection_name": name if record.is_protected else "",
        }


def moment(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
