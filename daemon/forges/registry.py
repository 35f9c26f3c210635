"""Which forge a repository is at: a line for each kind, chosen by its host and the daemon's settings.

At one that we can't talk to, branches are pushed, and a person opens the pull request (rules 7.4, 6.13).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from daemon.forges.forge_settings import GHE_COM, GITHUB, ForgeKind, ForgeSettings, api_of
from daemon.forges.github.api import Api, ApiTimings, open_client
from daemon.forges.github.github import GitHub
from daemon.forges.links import compare_url
from daemon.forges.port import Forge
from daemon.forges.tokens import Tokens
from domain.pull_request import PullRequest, PullRequestWanted, Reply, Sighting
from domain.repository_url import RepositoryUrl

NOTHING = ForgeSettings(kind=ForgeKind.NONE)


class Forges:
    """All forges of one daemon; they share their connections. To be closed."""

    def __init__(
        self,
        settings: Mapping[str, ForgeSettings] | None = None,
        environ: Mapping[str, str] | None = None,
        learn: Callable[[str], None] = lambda token: None,
        timings: ApiTimings | None = None,
    ) -> None:
        """`settings` by host; `environ` is the daemon's environment; `learn` is told each token, to mask it."""
        self._settings = settings or {}
        self._environ = environ or {}
        self._learn = learn
        self._timings = timings or ApiTimings()
        self._client: httpx.AsyncClient | None = None
        self._known: dict[str, GitHub] = {}

    async def at(self, url: RepositoryUrl) -> Forge:
        """The forge of the repository at `url`; a NoForge for a path, and for a host that nothing is known of."""
        if url.text in self._known:
            return self._known[url.text]
        settings = self._settings.get(url.host) or _well_known(url.host) or NOTHING
        match settings.kind:
            case ForgeKind.GITHUB:
                return await self._github(url, settings)
            case ForgeKind.NONE:
                return NoForge(url)

    async def close(self) -> None:
        """Close the connections; a forge from before is of no use any more."""
        self._known.clear()
        if self._client:
            await self._client.aclose()
            self._client = None

    async def _github(self, url: RepositoryUrl, settings: ForgeSettings) -> Forge:
        tokens = Tokens(url.host, settings, self._environ, self._learn)
        is_asked_for = url.host in self._settings or await tokens.token() is not None
        if url.path.count("/") != 1 or not is_asked_for:
            return NoForge(url)  # not kept: somebody may log in
        self._client = self._client or open_client(self._timings)
        api = Api(self._client, api_of(url.host, settings), tokens, self._timings)
        self._known[url.text] = GitHub(api, url.path, settings)
        return self._known[url.text]


def _well_known(host: str) -> ForgeSettings | None:
    """GitHub's own: used with a token where there is one, without any settings."""
    return ForgeSettings() if host == GITHUB or host.endswith(GHE_COM) else None


class NoForge:
    """See daemon.forges.port.Forge; what needs an API does nothing."""

    def __init__(self, url: RepositoryUrl) -> None:
        self._url = url

    async def find(self, branch: str, base: str) -> PullRequest | None:
        return None

    async def read(self, known: PullRequest) -> PullRequest:
        return known

    async def open_or_update(
        self, wanted: PullRequestWanted, branch: str, base: str, known: PullRequest | None = None
    ) -> PullRequest:
        return PullRequest(branch=branch, head="", base=base, version=wanted.version_of(branch))

    async def retarget(self, known: PullRequest, base: str) -> PullRequest:
        return known.model_copy(update={"base": base})

    async def look(self, known: PullRequest, marks: dict[str, str]) -> Sighting:
        return Sighting(pull_request=known)

    async def reply(self, known: PullRequest, reply: Reply) -> None:
        return None

    def compare_url(self, branch: str, base: str) -> str:
        return compare_url(self._url.host, self._url.path, branch, base)
