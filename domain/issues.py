"""The issues that a directive's pull request closes once it is merged (rule 7.4); pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.errors import Refused
from domain.repository_url import RepositoryUrl, parse_repository_url

MOST_ISSUES = 20
_NUMBER = re.compile(r"#?(?P<number>[1-9]\d{0,8})")
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[^/@\s?#]+)/(?P<path>[\w.-]+(?:/[\w.-]+)+?)/(?:-/)?issues/(?P<number>[1-9]\d{0,8})/?(?:[?#]\S*)?",
    re.IGNORECASE,
)
"""Of GitHub, Gitea and GitLab."""
_REFERENCE = re.compile(r"([\w.-]+(/[\w.-]+)+)?#[1-9]\d{0,8}")


@dataclass(frozen=True)
class IssueAddress:
    """An issue by its page's address."""

    repository: str
    """Where it is cloned from."""
    path: str
    number: int


def issue_address(typed: str) -> IssueAddress:
    """The issue of an address; Refused."""
    found = _ADDRESS.fullmatch(typed.strip())
    if found is None:
        raise Refused(f"--issue takes an issue's address, as https://github.com/acme/shop/issues/7, not {typed[:80]!r}")
    path = found["path"].removesuffix("/-")
    repository = parse_repository_url(f"{found['scheme'].lower()}://{found['host']}/{path}.git", allow_local=False)
    return IssueAddress(repository=repository.text, path=path, number=int(found["number"]))


def checked_issues(references: tuple[str, ...]) -> tuple[str, ...]:
    """`references`, if each is one as `issue_reference` makes it: nothing else stands in a description as it is."""
    if len(references) > MOST_ISSUES:
        raise ValueError(f"a pull request closes at most {MOST_ISSUES} issues")
    if wrong := next((each for each in references if not _REFERENCE.fullmatch(each)), None):
        raise ValueError(f"{wrong[:80]!r} is no issue: it takes #NUMBER or OWNER/NAME#NUMBER")
    return tuple(dict.fromkeys(references))


def issue_reference(typed: str, repository: RepositoryUrl) -> str:
    """The issue of a number or an address as the forge of `repository` understands it in a description; Refused."""
    if found := _NUMBER.fullmatch(typed.strip()):
        return f"#{found['number']}"
    found = _ADDRESS.fullmatch(typed.strip())
    if found is None:
        raise Refused(f"--closes takes an issue's number or its address, not {typed[:80]!r}")
    if found["host"].lower() != repository.host:
        raise Refused(f"--closes: {typed[:200]} is at another forge than the repository, which can't close it")
    is_own = found["path"].lower() == repository.path.lower()
    return f"{'' if is_own else found['path']}#{found['number']}"


def closing_lines(references: tuple[str, ...]) -> str:
    """What makes the forge close them when the pull request is merged; empty: nothing is to be closed."""
    return "\n".join(f"Closes {each}" for each in references)
