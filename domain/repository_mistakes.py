"""What people give as a repository's address and is none: what it is, and what to write in its place (rule 6.1)."""

from __future__ import annotations

import re

_PAGE = re.compile(
    r"(?P<repository>https?://[^/?#]+(?:/[^/?#]+){2,}?)(?:/-)?/(?P<kind>"
    r"(?:issues|pull|pulls|merge_requests|pull-requests|pullrequest|discussions)(?=/\d+)"
    r"|(?:tree|blob|raw|commit|commits|compare|wiki|wikis|releases|actions|archive)(?=/.))(?!.*\.git/?$)",
    re.IGNORECASE,
)
_PAGES = {
    "issues": "an issue", "pull": "a pull request", "pulls": "a pull request", "merge_requests": "a merge request",
    "pull-requests": "a pull request", "pullrequest": "a pull request", "discussions": "a discussion",
    "tree": "a folder", "blob": "a file", "raw": "a file", "commit": "a commit", "wiki": "a wiki's page",
    "wikis": "a wiki's page", "archive": "an archive",
}  # fmt: skip
_OWNER_AND_NAME = re.compile(
    r"(?P<repository>https?://(?:[^/?#@]*@)?(?:www\.)?(?:github\.com|bitbucket\.org|codeberg\.org)(?::\d+)?"
    r"(?:/[^/?#]+){0,2})(?P<rest>.*)",
    re.IGNORECASE,
)
"""Forges whose repositories are all called `owner/name`: what follows is a page."""
_BELOW = re.compile(
    r"(?P<repository>https?://[^/?#]+/[^?#]+?)(?:/-/|(?<=/_git/)[^/?#]+(?=/.))(?!.*\.git/?$)", re.IGNORECASE
)
_GIST = re.compile(r"(?:https?://|git@|ssh://)(?:[^/@]*@)?gist\.[^/:]+[/:]", re.IGNORECASE)
_NO_GIT = re.compile(r"https?://(?:api\.github\.com|raw\.githubusercontent\.com|[^/]+/api/v\d)/", re.IGNORECASE)
_FEW_SLASHES = re.compile(r"(?P<scheme>https?|ssh|file):/?(?![:/])(?P<rest>.*)", re.IGNORECASE)
_NO_SCHEME = re.compile(
    r"(?:(?P<user>[\w.-]+)@)?(?P<host>[\w-]+(?:\.[\w-]+)*\.[a-z]{2,})/(?P<path>[^/].*)", re.IGNORECASE
)
_SSH_AND_COLON = re.compile(r"ssh://(?P<at>[^/:]+):(?P<path>\D[^:]*)", re.IGNORECASE)


def known_mistake(text: str) -> str:
    """What `text` is, where it is no repository's address though it looks like one; empty: it is no such.

    `text`: with its secrets masked; all that is told is part of it.
    """
    return _of_a_machine(text) or _of_a_page(text) or _of_its_form(text)


def _of_a_machine(text: str) -> str:
    if re.match(r"[A-Za-z]:([\\/]|$)", text) or text.startswith("\\\\"):
        return "is a path of Windows, where no daemon runs: use a URL, or the path under which Linux has it (/mnt/c/…)."
    if re.match(r"~[^/]", text):
        return "is another user's home folder: write the whole path."
    return ""


def _of_a_page(text: str) -> str:
    if other := _GIST.match(text) or _NO_GIT.match(text):
        is_gist = other.re is _GIST
        return f"is {'a gist' if is_gist else 'the address of an API or of a file'}: use a repository, HOST/OWNER/NAME."
    if page := _PAGE.match(text):
        kind = _PAGES.get(page["kind"].lower(), "a page")
        return f"is the address of {kind}, not of a repository: use {page['repository']}."
    if found := _OWNER_AND_NAME.match(text):
        return _of_two_parts(found["repository"], found["rest"])
    if found := _BELOW.match(text):
        return f"is the address of a page, not of a repository: use {found[0].removesuffix('/-/')}."
    if re.match(r"https?://", text, re.IGNORECASE) and (end := re.search(r"[?#]", text)):
        return f"is the address of a page, not of a repository: use {text[: end.start()]}."
    return ""


def _of_two_parts(repository: str, rest: str) -> str:
    if repository.count("/") < len(("https:", "", "HOST", "OWNER")):
        return "names no repository: use https://HOST/OWNER/NAME."
    if rest.strip("/"):
        return f"is the address of a page, not of a repository: use {repository}."
    return ""


def _of_its_form(text: str) -> str:
    if short := re.fullmatch(r"(gh|gl|bb):([\w.-]+/[\w.-]+)", text, re.IGNORECASE):
        return f"is a shorthand that git doesn't know: use https://HOST/{short[2]}.git or git@HOST:{short[2]}.git."
    if found := _FEW_SLASHES.fullmatch(text):
        slashes = ":///" if found["scheme"].lower() == "file" else "://"
        return f"lacks slashes: use {found['scheme']}{slashes}{found['rest'].lstrip('/')}."
    if found := _SSH_AND_COLON.fullmatch(text):
        return f"mixes two forms of address: use ssh://{found['at']}/{found['path']} or {found['at']}:{found['path']}."
    if found := _NO_SCHEME.fullmatch(text):
        user, host, path = found.groups()
        return f"lacks a colon: use {user}@{host}:{path}." if user else f"lacks https://: use https://{host}/{path}."
    return ""
