"""Where a person opens a pull request by hand (rule 7.4); pure. Empty where it can't be known."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from daemon.forges.forge_settings import GHE_COM, web_scheme

Compare = Callable[[str, str, str, str], str]
"""(host, repository's name there, branch, base) → address."""


def github_compare(host: str, name: str, branch: str, base: str) -> str:
    return f"{web_scheme(host)}://{host}/{quote(name)}/compare/{quote(base)}...{quote(branch)}?expand=1"


def gitea_compare(host: str, name: str, branch: str, base: str) -> str:
    """Gitea's and Forgejo's."""
    return f"{web_scheme(host)}://{host}/{quote(name)}/compare/{quote(base)}...{quote(branch)}"


def gitlab_compare(host: str, name: str, branch: str, base: str) -> str:
    chosen = {"merge_request[source_branch]": branch, "merge_request[target_branch]": base}
    return f"{web_scheme(host)}://{host}/{quote(name)}/-/merge_requests/new?{urlencode(chosen)}"


_BY_HOST: dict[str, Compare] = {
    "github.com": github_compare,
    "gitlab.com": gitlab_compare,
    "codeberg.org": gitea_compare,
    "gitea.com": gitea_compare,
}
_BY_FIRST_NAME: dict[str, Compare] = {
    "github": github_compare,
    "gitlab": gitlab_compare,
    "gitea": gitea_compare,
    "forgejo": gitea_compare,
}
"""A host that is called so, `gitlab.example.com`, is one."""


def compare_url(host: str, name: str, branch: str, base: str) -> str:
    compare = _BY_HOST.get(host) or _BY_FIRST_NAME.get(host.partition(".")[0])
    if host.endswith(GHE_COM):
        compare = github_compare
    return compare(host, name, branch, base) if compare and name else ""
