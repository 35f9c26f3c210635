"""What the daemon's settings say of a forge: `[forges."HOST"]` (rule 7.4)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, model_validator

from daemon.settings_path import SettingsPath
from domain.repository_url import is_loopback
from domain.value import Value

GITHUB = "github.com"
GHE_COM = ".ghe.com"
"""The end of the hosts of enterprises at GitHub's own servers, whose API is as that of github.com."""
LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class ForgeKind(StrEnum):
    GITHUB = "github"
    """GitHub, or GitHub Enterprise."""
    GITLAB = "gitlab"
    """GitLab, at gitlab.com or elsewhere."""
    GITEA = "gitea"
    FORGEJO = "forgejo"
    """Another name for the same adapter: one is the other's child, and the API is as good as the same."""
    NONE = "none"
    """Branches are pushed, nothing more."""


API_PATHS = {
    ForgeKind.GITHUB: "/api/v3",
    ForgeKind.GITLAB: "/api/v4",
    ForgeKind.GITEA: "/api/v1",
    ForgeKind.FORGEJO: "/api/v1",
}
"""Where a kind's API begins at a host of one's own."""


class ListenTo(StrEnum):
    WRITERS = "writers"
    """People with write access to the repository."""
    ANYONE = "anyone"


Login = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(\[bot\])?$")]


def _audience(given: object) -> object:
    """`given`, if it is what `listen_to` may be; one message in place of one for each of the possibilities."""
    if isinstance(given, ListenTo) or given in tuple(ListenTo):
        return ListenTo(str(given))
    if isinstance(given, list | tuple) and all(isinstance(each, str) and LOGIN.fullmatch(each) for each in given):
        return tuple(given)
    raise ValueError('it is "writers", "anyone" or a list of logins of people; bots are named in `bots`')


class Listening(Value):
    """Whose comments, reviews and approvals count."""

    listen_to: Annotated[ListenTo | tuple[str, ...], BeforeValidator(_audience)] = ListenTo.WRITERS
    """Which people are heard. Everybody else's words are counted, and never reach an agent."""
    bots: tuple[Login, ...] = ()
    """Bots that are heard, such as `coderabbitai[bot]`; no other bot is."""

    @property
    def logins(self) -> frozenset[str]:
        """The people that `listen_to` names, in lower case: GitHub's logins differ in more than their case."""
        return frozenset() if isinstance(self.listen_to, ListenTo) else _lower(self.listen_to)

    @property
    def bot_logins(self) -> frozenset[str]:
        return _lower(self.bots)


def _lower(logins: tuple[str, ...]) -> frozenset[str]:
    return frozenset(each.lower() for each in logins)


class ForgeSettings(Listening):
    """The forge at one host, and where the daemon's token for it comes from; neither: `gh auth token` is asked."""

    kind: ForgeKind | None = None
    """Left out: known by the host's name or the API's address, else the host is asked (recognizing.py)."""
    api: Annotated[str, Field(max_length=2048)] = ""
    """Where its API is; empty: `api.` before github.com and `*.ghe.com`, else where its kind has it (`API_PATHS`)."""
    token_env: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")] = ""
    """A variable of the daemon's environment. No agent may be handed it."""
    token_file: SettingsPath | None = None
    """A file that holds the token alone; read anew when the forge refuses the one that is known."""
    heed_own_comments: bool = False
    """Whether comments of the token's own user ask for work: for a daemon that uses your account."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.token_env and self.token_file:
            raise ValueError("token_env and token_file are both set; the token comes from one place")
        parts = urlsplit(self.api)
        if self.api and not _is_address(parts):
            raise ValueError("api is an address like https://ghe.example.com/api/v3")
        if parts.scheme == "http" and not is_loopback(parts.netloc):
            raise ValueError("api begins with https://: http would show the token to everyone on the way")
        return self


def _is_address(parts: SplitResult) -> bool:
    try:
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:  # a port that is none
        return False


def api_of(host: str, settings: ForgeSettings, kind: ForgeKind = ForgeKind.GITHUB) -> str:
    """The address of the host's REST API, without a `/` at its end."""
    if settings.api:
        return settings.api.rstrip("/")
    if kind is ForgeKind.GITHUB and (host == GITHUB or host.endswith(GHE_COM)):
        return f"https://api.{host}"
    return f"{web_scheme(host)}://{host}{API_PATHS[kind]}"


def graphql_of(api: str) -> str:
    """The address of GraphQL beside a REST API."""
    root = api.removesuffix("/v3")
    return f"{root}/graphql"


def web_scheme(host: str) -> str:
    """https, but for a forge on this machine that is named with its port."""
    return "http" if is_loopback(host) and host.rpartition("]")[2].count(":") else "https"


def credential_helpers(forges: Mapping[str, ForgeSettings], *, has_gh: bool) -> dict[str, str]:
    """https://host → what git asks there for the same token when it pushes (`credential.URL.helper`)."""
    known = {GITHUB: ForgeSettings(), **forges}
    helpers = (
        (host, _credential_helper(each, has_gh)) for host, each in known.items() if each.kind is not ForgeKind.NONE
    )
    return {f"{web_scheme(host)}://{host}": helper for host, helper in helpers if helper}


def tokens_at_hand(forges: Mapping[str, ForgeSettings], environ: Mapping[str, str]) -> list[str]:
    """Those in the daemon's environment."""
    return [environ[each.token_env] for each in forges.values() if environ.get(each.token_env)]


def _credential_helper(settings: ForgeSettings, has_gh: bool) -> str:
    """It holds the token's place, never the token: git runs it with the daemon's environment."""
    if settings.token_env:
        password = f'"${settings.token_env}"'
    elif settings.token_file:
        password = f'"$(cat {shlex.quote(str(settings.token_file))})"'
    else:
        return "!gh auth git-credential" if has_gh and settings.kind in (None, ForgeKind.GITHUB) else ""
    # Both forges go by the password alone; GitLab's own word for whoever has a token.
    user = "oauth2" if settings.kind is ForgeKind.GITLAB else "x-access-token"
    answer = f"echo username={user}; printf 'password=%s\\n' {password}"
    return f'!f() {{ if test "$1" = get; then {answer}; fi; }}; f'
