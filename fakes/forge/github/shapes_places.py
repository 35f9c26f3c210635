"""Accounts and repositories as GitHub's REST API shows them, and the addresses that everything else is found at."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fakes.forge.addresses import Addresses, account_id, moment
from fakes.forge.records import Account, RepositoryRecord

Json = dict[str, Any]
BOT = "[bot]"
"""At the end of an app's login."""

_OF_USER = {
    "followers": "", "following": "{/other_user}", "gists": "{/gist_id}", "starred": "{/owner}{/repo}",
    "subscriptions": "", "orgs": "", "repos": "", "events": "{/privacy}", "received_events": "",
}  # fmt: skip
_OF_REPOSITORY = {
    "archive": "{archive_format}{/ref}", "assignees": "{/user}", "blobs": "git/blobs{/sha}", "branches": "{/branch}",
    "collaborators": "{/collaborator}", "comments": "{/number}", "commits": "{/sha}", "compare": "{base}...{head}",
    "contents": "{+path}", "contributors": "", "deployments": "", "downloads": "", "events": "", "forks": "",
    "git_commits": "git/commits{/sha}", "git_refs": "git/refs{/sha}", "git_tags": "git/tags{/sha}", "hooks": "",
    "issue_comment": "issues/comments{/number}", "issue_events": "issues/events{/number}", "issues": "{/number}",
    "keys": "{/key_id}", "labels": "{/name}", "languages": "", "merges": "", "milestones": "{/number}",
    "notifications": "{?since,all,participating}", "pulls": "{/number}", "releases": "{/id}", "stargazers": "",
    "statuses": "{sha}", "subscribers": "", "subscription": "", "tags": "", "teams": "", "trees": "git/trees{/sha}",
}  # fmt: skip
"""Field before `_url` → what follows the name of the thing, or the whole end where it has another name."""
_SIZES = ("forks", "stargazers", "watchers")


class Places(Addresses):
    """See Addresses; and the shapes that stand in all others."""

    def author(self, login: str) -> Json | None:
        """Of something that was said: None once the account was deleted."""
        return self.user(login) if login else None

    def user(self, login: str) -> Json:
        number, name = account_id(login), quote(login)  # that of a bot ends in brackets
        api = f"{self.url}/api/v3/users/{name}"
        ends = {f"{part}_url": f"{api}/{part}{rest}" for part, rest in _OF_USER.items() if part != "orgs"}
        return {
            "login": login,
            "id": number,
            "node_id": node_id("User", number),
            "avatar_url": f"{self.url}/{name}.png",
            "gravatar_id": "",
            "url": api,
            "html_url": f"{self.url}/apps/{login.removesuffix(BOT)}" if login.endswith(BOT) else f"{self.url}/{name}",
            **ends,
            "organizations_url": f"{api}/orgs",
            "type": "Bot" if login.endswith(BOT) else "User",
            "site_admin": False,
        }

    def own_user(self, login: str, since: datetime) -> Json:
        """The caller's own account."""
        told = dict.fromkeys(("name", "company", "blog", "location", "email", "hireable", "bio"))
        counted = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
        own = ("private_gists", "total_private_repos", "owned_private_repos", "disk_usage", "collaborators")
        times = {"created_at": moment(since), "updated_at": moment(since)}
        return self.user(login) | told | counted | times | dict.fromkeys(own, 0) | {"two_factor_authentication": True}

    def minimal_repository(self, record: RepositoryRecord, full_name: str = "") -> Json:
        """As it stands in what belongs to it; `full_name`: of a fork of it, with the fork's owner."""
        whole = full_name or record.full_name
        owner, _, name = whole.partition("/")
        api = f"{self.url}/api/v3/repos/{whole}"
        number = account_id(whole) if full_name else record.id
        return {
            "id": number,
            "node_id": node_id("Repository", number),
            "name": name,
            "full_name": whole,
            "owner": self.user(owner),
            "private": record.private,
            "description": record.description or None,
            "fork": bool(full_name),
            "url": api,
            "html_url": f"{self.url}/{whole}",
            **{f"{part}_url": f"{api}/{_end_of(part, rest)}" for part, rest in _OF_REPOSITORY.items()},
        }

    def repository(self, record: RepositoryRecord, account: Account | None, full_name: str = "") -> Json:
        """As head and base of a pull request show it."""
        may_write, page = account is not None and account.write, f"{self.url}/{full_name or record.full_name}"
        rights = dict.fromkeys(("admin", "maintain", "push", "triage"), may_write)
        is_open = sum(each.is_open for each in record.pulls)
        return self.minimal_repository(record, full_name) | {
            "visibility": "private" if record.private else "public",
            "git_url": f"git:{page.partition(':')[2]}.git",
            "ssh_url": f"git@{self.url.partition('//')[2]}:{full_name or record.full_name}.git",
            "clone_url": f"{page}.git",
            "svn_url": page,
            **dict.fromkeys(("mirror_url", "homepage", "language", "license")),
            **{f"{name}_count": 0 for name in _SIZES},
            "forks": 0,
            "watchers": 0,
            "size": 0,
            "open_issues_count": is_open,
            "open_issues": is_open,
            "default_branch": record.default_branch,
            "topics": [],
            **dict.fromkeys(("is_template", "has_issues", "has_projects", "has_wiki", "has_pages"), False),
            **dict.fromkeys(("has_downloads", "has_discussions", "archived", "disabled", "allow_auto_merge"), False),
            "permissions": rights | {"pull": True},
            "allow_merge_commit": True,
            "allow_squash_merge": True,
            "allow_rebase_merge": True,
            "delete_branch_on_merge": False,
            **dict.fromkeys(("created_at", "updated_at", "pushed_at"), moment(record.created_at)),
        }

    def full_repository(self, record: RepositoryRecord, account: Account | None) -> Json:
        """As it is answered alone."""
        return self.repository(record, account) | {"subscribers_count": 0, "network_count": 0}

    def api(self, record: RepositoryRecord) -> str:
        return f"{self.url}/api/v3/repos/{record.full_name}"


def node_id(kind: str, number: int) -> str:
    """An id as GraphQL takes it: opaque, and the same at every time."""
    return b64encode(f"{kind}:{number}".encode()).decode()


def _end_of(part: str, rest: str) -> str:
    if rest[:1].isalpha():
        return rest
    return f"{part}{rest}" if rest[:2] in ("", "{/", "{?") else f"{part}/{rest}"
