"""Which forge a repository is at: a line for each kind, chosen by its host and the daemon's settings.

At one that we can't talk to, branches are pushed, and a person opens the pull request (rules 7.4, 6.13).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import httpx

from daemon.forges.api import ApiTimings
from daemon.forges.connections import open_client
from daemon.forges.forge_settings import GHE_COM, GITHUB, ForgeKind, ForgeSettings, api_of
from daemon.forges.gitea.gitea import Gitea, gitea_api
from daemon.forges.github.github import GitHub
from daemon.forges.github.graph import GitHubApi
from daemon.forges.gitlab.api import MANNERS as GITLAB_MANNERS
from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.gitlab import GitLab
from daemon.forges.issue_talk import Issues
from daemon.forges.links import compare_url
from daemon.forges.pace import Paces
from daemon.forges.port import Forge
from daemon.forges.recognizing import known_kind, recognized
from daemon.forges.tokens import Tokens
from domain.errors import ForgeRefused
from domain.opening_choice import MergeMethod
from domain.opening_policy import OpeningPolicy
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
        self._paces = Paces(self._timings.write)
        self._tokens: dict[str, Tokens] = {}
        """By host: what one repository's adapter has read anew, the others have."""
        self._known: dict[str, Forge] = {}
        self._kinds: dict[str, ForgeKind] = {}
        """By host; those that were asked."""

    async def at(self, url: RepositoryUrl) -> Forge:
        """The forge of the repository at `url`; a NoForge for a path, and for a host that nothing is known of."""
        if url.text in self._known:
            return self._known[url.text]
        settings = self._settings.get(url.host) or _well_known(url.host) or NOTHING
        kind = await self._kind(url.host, settings)
        if kind is ForgeKind.NONE:
            return NoForge(url)
        if kind is ForgeKind.GITLAB and not (settings.token_env or settings.token_file):
            raise ForgeRefused(
                f'{url.host} is a GitLab: set token_env or token_file in [forges."{url.host}"] (docs/daemon.md, Forges)'
            )
        tokens = self._tokens.setdefault(url.host, Tokens(url.host, settings, self._environ, self._learn))
        is_asked_for = url.host in self._settings or await tokens.token() is not None
        if not is_asked_for or not _is_repository(kind, url.path):
            return NoForge(url)  # not kept: somebody may log in
        api = api_of(url.host, settings, kind)
        forge: Forge
        match kind:
            case ForgeKind.GITHUB:
                github = GitHubApi(self._connections, api, tokens, self._timings, self._paces)
                forge = GitHub(github, url.path, settings)
            case ForgeKind.GITLAB:
                gitlab = GitLabApi(self._connections, api, tokens, self._timings, GITLAB_MANNERS, self._paces)
                forge = GitLab(gitlab, url.path, settings)
            case ForgeKind.GITEA | ForgeKind.FORGEJO:
                gitea = gitea_api(self._connections, api, tokens, self._timings, self._paces)
                forge = Gitea(gitea, url.path, settings)
        self._known[url.text] = forge
        return forge

    async def close(self) -> None:
        """Close the connections; a forge from before is of no use any more."""
        self._known.clear()
        self._kinds.clear()
        if self._client:
            await self._client.aclose()
            self._client = None

    async def _kind(self, host: str, settings: ForgeSettings) -> ForgeKind:
        """What is known of the host, which is asked once; raises ForgeUnreachable, ForgeRefused."""
        if kind := known_kind(host, settings) or self._kinds.get(host):
            return kind
        self._kinds[host] = await recognized(self._connections, host, settings, self._timings.answer)
        return self._kinds[host]

    @property
    def _connections(self) -> httpx.AsyncClient:
        self._client = self._client or open_client(self._timings.answer)
        return self._client


def _is_repository(kind: ForgeKind, path: str) -> bool:
    """Whether a repository can be called so at such a forge."""
    # At GitLab there are groups within groups.
    return path.count("/") >= 1 if kind is ForgeKind.GITLAB else path.count("/") == 1


def _well_known(host: str) -> ForgeSettings | None:
    """GitHub's own: used with a token where there is one, without any settings."""
    return ForgeSettings() if host == GITHUB or host.endswith(GHE_COM) else None


class NoForge:
    """See daemon.forges.port.Forge; what needs an API does nothing."""

    templates: tuple[str, ...] = ()
    template_folders: tuple[str, ...] = ()

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

    async def furnish(self, made: PullRequest, policy: OpeningPolicy) -> tuple[str, ...]:
        return ()

    async def look(self, known: PullRequest, marks: dict[str, str]) -> Sighting:
        return Sighting(pull_request=known)

    async def run_again(self, known: PullRequest, failed: Collection[str], names: Sequence[str]) -> frozenset[str]:
        return frozenset()

    async def merge_when_ready(self, known: PullRequest, method: MergeMethod) -> str:
        return ""

    async def reply(self, known: PullRequest, reply: Reply) -> None:
        return None

    async def issues(self) -> Issues:
        raise ForgeRefused(
            f"{self._url.host or self._url.display}: its issues can't be read without a token for this forge "
            "(docs/daemon.md, Forges)"
        )

    def compare_url(self, branch: str, base: str) -> str:
        return compare_url(self._url.host, self._url.path, branch, base)
