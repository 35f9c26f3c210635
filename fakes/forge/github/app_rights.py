"""What the token of a GitHub App's installation may do: each call needs one of the app's permissions."""

from __future__ import annotations

import re

from fakes.forge.api_errors import Answered
from fakes.forge.records import Account, Permission

_REFUSED = "Resource not accessible by integration"
_NEVER = re.compile(r"/user$|/pulls/\d+/(update-branch|comments/\d+/replies)$")
"""What GitHub's description says to be for no app."""
_NEEDED = tuple(
    (re.compile(path), permissions)
    for path, permissions in (
        (r"/pulls/\d+/merge$", ("contents",)),
        (r"/pulls(/|$)", ("pull_requests",)),
        (r"/issues/(\d+|comments/\d+)(/(comments|labels|assignees|events).*)?$", ("issues", "pull_requests")),
        (r"/(labels|milestones)(/|$)", ("issues", "pull_requests")),
        (r"/issues(/|$)", ("issues",)),
        (r"/check-(runs|suites)(/|$)", ("checks",)),
        (r"/status(es)?(/|$)", ("statuses",)),
        (r"/actions/", ("actions",)),
        (r"/(git|branches|commits|compare|contents)/", ("contents",)),
    )
)
"""Beginning or end of an address below a repository → which one of the permissions it takes (from memory); what is
named nowhere takes none that each app hasn't got."""
_REPOSITORY = re.compile(r"^(/api/v3)?/repos/[^/]+/[^/]+")


def check_permission(account: Account, method: str, path: str) -> None:
    """Answered with 403 where the app lacks what this call needs; a person's token lacks none."""
    if account.permissions is None:
        return
    if _NEVER.search(path):
        raise Answered(403, _REFUSED)
    below = _REPOSITORY.sub("", path)
    found = next((permissions for pattern, permissions in _NEEDED if pattern.search(below)), ())
    wanted = Permission.READ if method == "GET" else Permission.WRITE
    check_one_of(account, found, wanted)


def check_one_of(account: Account, permissions: tuple[str, ...], wanted: Permission) -> None:
    """The same, of permissions by their names."""
    if account.permissions is None or not permissions:
        return
    if not any(account.permissions.get(each) in (wanted, Permission.WRITE) for each in permissions):
        accepted = "; ".join(f"{each}={wanted}" for each in permissions)
        raise Answered(403, _REFUSED, headers={"X-Accepted-GitHub-Permissions": accepted})
