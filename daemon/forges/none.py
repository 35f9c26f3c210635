"""No forge that we can talk to: branches are pushed, and a person opens the pull request (rules 7.4, 6.13)."""

from __future__ import annotations

from daemon.forges.links import compare_url
from domain.pull_request import PullRequest, PullRequestWanted, Reply, Sighting
from domain.repository_url import RepositoryUrl


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
