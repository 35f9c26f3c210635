"""Gitea and Forgejo behind the port (rules 7.3–7.5)."""

from __future__ import annotations

import logging
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from daemon.forges.api import Api, ApiTimings, Manners
from daemon.forges.forge_settings import ForgeSettings
from daemon.forges.gitea.auto_merge import AutoMerge
from daemon.forges.gitea.furnishing import Furnishing
from daemon.forges.gitea.issues import GiteaIssues
from daemon.forges.gitea.look import GiteaLook
from daemon.forges.gitea.pages import pages_of
from daemon.forges.gitea.payloads import (
    BaseChange,
    GiteaPermission,
    GiteaPull,
    GiteaUser,
    NewPull,
    PullChange,
    TitleChange,
)
from daemon.forges.gitea.refusals import refusal
from daemon.forges.gitea.replies import Replies
from daemon.forges.gitea.rerunning import GiteaRuns, Offer
from daemon.forges.gitea.titles import PREFIX, draft_title
from daemon.forges.hosted import Find, Hosted
from daemon.forges.links import gitea_compare
from daemon.forges.look import LookPort
from daemon.forges.pace import Paces
from daemon.forges.pulls import Pull, Repository
from daemon.forges.refusals import Declined
from daemon.forges.said import User
from daemon.forges.tokens import Tokens
from domain.opening_choice import MergeMethod
from domain.opening_policy import OpeningPolicy
from domain.pull_request import Reply

PULLS = TypeAdapter(tuple[GiteaPull, ...])
logger = logging.getLogger(__name__)


def gitea_api(client: httpx.AsyncClient, url: str, tokens: Tokens, timings: ApiTimings, paces: Paces) -> Api:
    """The API of one host; see daemon.forges.api.Api."""
    return Api(client, url, tokens, timings, Manners("Gitea", refusal, {"Accept": "application/json"}), paces)


class Gitea(Hosted):
    """One repository; see daemon.forges.hosted.Hosted."""

    title_limit = 255 - len(PREFIX)
    templates = tuple(
        f"{folder}pull_request_template.md" for folder in (".forgejo/", ".gitea/", ".github/", "", "docs/")
    )
    """From memory; forms in YAML are none that a text can be written into."""
    template_folders = tuple(
        f"{folder}pull_request_template" for folder in (".forgejo/", ".gitea/", ".github/", "", "docs/")
    )
    """The servers themselves know none (from memory): as at GitHub, beside where they look for one."""

    def __init__(self, api: Api, name: str, settings: ForgeSettings) -> None:
        super().__init__(api, name, settings)
        self._reruns = Offer()

    async def pulls_of(self, branch: str) -> list[Pull]:
        """There is no filter for a branch, so all are listed."""
        repository = await self.repository()
        pages = await pages_of(self._api, await self._path("/pulls?state=all"), PULLS)
        ours = [pull for page in pages for pull in page if pull.is_from(repository, branch)]
        return sorted(ours, key=lambda pull: -pull.number)

    async def pull(self, number: int) -> GiteaPull:
        return await self._api.read(await self._path(f"/pulls/{number}"), GiteaPull)

    async def opened(self, title: str, body: str, branch: str, base: str, *, draft: bool, find: Find) -> Pull:
        wanted = NewPull(title=draft_title(title) if draft else title, body=body, head=branch, base=base)
        return await self._api.post_once(await self._path("/pulls"), wanted, GiteaPull, find)

    def is_nothing_new(self, declined: Declined) -> bool:
        """Gitea opens one all the same, with nothing in it (from memory)."""
        return False

    async def with_texts(self, pull: Pull, title: str, body: str) -> Pull:
        return await self._changed(pull, PullChange(title=self._titled(pull, title, pull.draft), body=body))

    async def with_draft_state(self, pull: Pull, draft: bool) -> Pull:
        changed = await self._changed(pull, TitleChange(title=self._titled(pull, pull.title, draft)))
        if changed.draft != draft and not changed.standing.is_over:
            logger.warning("%s: its titles mark no drafts as %r does", pull.html_url, PREFIX.strip())
        return changed

    async def with_base(self, pull: Pull, base: str) -> Pull:
        return await self._changed(pull, BaseChange(base=base))

    async def permission(self, user: User) -> GiteaPermission:
        return await self._api.read(await self._path(f"/collaborators/{user.login}/permission"), GiteaPermission)

    def looking(self, marks: dict[str, str], repository: Repository) -> LookPort:
        return GiteaLook(self._api, repository, marks)

    def asking_issues(self, repository: Repository) -> GiteaIssues:
        return GiteaIssues(self._api, repository)

    async def answer(self, number: int, reply: Reply) -> None:
        own = await self._path("")
        await Replies(self._api, own, await self.own_login()).give(number, reply)

    async def runs(self) -> GiteaRuns:
        return GiteaRuns(self._api, await self.repository(), self._reruns)

    async def merged_by_itself(self, pull: Pull, method: MergeMethod) -> str:
        return await AutoMerge(self._api, await self._path(""), await self.own_login()).turned_on(pull, method)

    async def furnished(self, pull: Pull, policy: OpeningPolicy) -> tuple[str, ...]:
        return await Furnishing(self._api, await self._path(""), pull).give(policy)

    async def canonical(self) -> Repository:
        return await self._api.read(f"/repos/{quote(self._name)}", Repository)

    async def myself(self) -> str:
        return (await self._api.read("/user", GiteaUser)).login

    def compare_url(self, branch: str, base: str) -> str:
        return gitea_compare(self._api.host, self._name, branch, base)

    async def _changed(self, pull: Pull, change: PullChange | TitleChange | BaseChange) -> Pull:
        return await self._api.patch(await self._path(f"/pulls/{pull.number}"), change, GiteaPull)

    def _titled(self, pull: Pull, title: str, draft: bool) -> str:
        known = pull.whole_title if isinstance(pull, GiteaPull) else ""
        return draft_title(title, known) if draft else title

    async def _path(self, rest: str) -> str:
        return f"/repos/{(await self.repository()).full_name}{rest}"
