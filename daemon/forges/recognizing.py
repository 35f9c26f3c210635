"""Which kind of forge a host is (rule 7.4): known by its name or its API's address, else asked of the host itself.

Only hosts that the settings name are asked, without the token; what they answer is data: little of it is read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx

from daemon.forges.api import GIVEN_UP_FOR
from daemon.forges.forge_settings import API_PATHS, GHE_COM, ForgeKind, ForgeSettings, web_scheme
from domain.errors import ForgeRefused, ForgeUnreachable

MOST_READ = 64 * 1024
"""Bytes of an answer."""
_HOSTS = {
    "github.com": ForgeKind.GITHUB,
    "api.github.com": ForgeKind.GITHUB,
    "gitlab.com": ForgeKind.GITLAB,
    "gitea.com": ForgeKind.GITEA,
    "codeberg.org": ForgeKind.FORGEJO,
}


@dataclass(frozen=True)
class ForgeSign:
    """What a kind of forge is known by."""

    kind: ForgeKind
    path: str
    """Below the kind's API."""
    shows: Callable[[Mapping[str, str], object], bool]
    """(headers, JSON) → whether only such a forge answers so."""


def _is_github(headers: Mapping[str, str], said: object) -> bool:
    """Enterprise says where to read about a refusal, and names its version (from memory)."""
    is_told = isinstance(said, dict) and ("installed_version" in said or "documentation_url" in said)
    return "x-github-request-id" in headers and is_told


def _is_gitlab(headers: Mapping[str, str], said: object) -> bool:
    """It tells its version to nobody without a token, in these words (from memory)."""
    return isinstance(said, dict) and said.get("message") == "401 Unauthorized"


def _is_gitea(headers: Mapping[str, str], said: object) -> bool:
    """Gitea and Forgejo tell everybody their version, and nothing else; where a stranger may see nothing, it refuses in
    its own shape (from memory).
    """
    if not isinstance(said, dict):
        return False
    is_refusal = {"message", "url"} <= set(said) and "/api/swagger" in str(said["url"])
    return is_refusal or (set(said) == {"version"} and isinstance(said["version"], str))


SIGNS = (
    ForgeSign(ForgeKind.GITHUB, "/meta", _is_github),
    ForgeSign(ForgeKind.GITLAB, "/version", _is_gitlab),
    ForgeSign(ForgeKind.GITEA, "/version", _is_gitea),
)


def known_kind(host: str, settings: ForgeSettings) -> ForgeKind | None:
    """The kind that the settings say, or that host or address are known for; None: it has to be asked."""
    if settings.kind:
        return settings.kind
    api = urlsplit(settings.api)
    for name in (host, api.hostname or ""):
        if name in _HOSTS or name.endswith(GHE_COM):
            return _HOSTS.get(name, ForgeKind.GITHUB)
    return next((kind for kind, path in API_PATHS.items() if api.path.rstrip("/").endswith(path)), None)


async def recognized(client: httpx.AsyncClient, host: str, settings: ForgeSettings, timeout: float) -> ForgeKind:
    """What the host says it is; ForgeUnreachable where it doesn't answer within `timeout` seconds each time,
    ForgeRefused where what it says fits no kind, or several.
    """
    api = urlsplit(settings.api)
    root = f"{api.scheme}://{api.netloc}" if settings.api else f"{web_scheme(host)}://{host}"
    found = [sign.kind for sign in SIGNS if await _fits(client, root, sign, host, timeout)]
    if len(found) == 1:
        return found[0]
    kinds = ", ".join(f'"{each}"' for each in ForgeKind)
    said = "answers as several kinds of forge" if found else "does not say which kind of forge it is"
    raise ForgeRefused(f'{host} {said}: set kind in [forges."{host}"] to one of {kinds} (docs/daemon.md, Forges)')


async def _fits(client: httpx.AsyncClient, root: str, sign: ForgeSign, host: str, timeout: float) -> bool:
    kept, address = bytearray(), f"{root}{API_PATHS[sign.kind]}{sign.path}"
    try:
        async with (
            asyncio.timeout(timeout),
            client.stream("GET", address) as answer,
        ):
            async for piece in answer.aiter_bytes():
                kept += piece
                if len(kept) > MOST_READ:
                    return False
            headers = {name.lower(): value for name, value in answer.headers.items()}
    except (httpx.HTTPError, TimeoutError) as error:
        kind = type(error).__name__
        raise ForgeUnreachable(f"{host} does not answer ({kind})", datetime.now(UTC) + GIVEN_UP_FOR) from None
    try:
        said = json.loads(kept)
    except (ValueError, RecursionError):
        return False
    return sign.shows(headers, said)
