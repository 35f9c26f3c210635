"""GitHub, and GitHub Enterprise, behind the port (rules 7.3–7.5)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.forge_settings import ForgeSettings
from daemon.forges.github.auto_merge import AutoMerge
from daemon.forges.github.furnishing import Furnishing
from daemon.forges.github.graph import GitHubApi
from daemon.forges.github.issues import GitHubIssues
from daemon.forges.github.look import GitHubLook
from daemon.forges.github.payloads import (
    DRAFT,
    READY,
    BaseChange,
    CollaboratorPermission,
    GitHubPull,
    Mutation,
    Myself,
    NewPull,
    PullChange,
    WhoAmI,
)
from daemon.forges.github.refusals import has_no_drafts
from daemon.forges.github.replies import Replies
from daemon.forges.github.rerunning import GitHubRuns
from daemon.forges.hosted import Find, Hosted
from daemon.forges.links import github_compare
from daemon.forges.look import LookPort
from daemon.forges.pulls import Pull, Repository
from daemon.forges.refusals import Declined
from daemon.forges.remembered import Remembered
from daemon.forges.said import User
from domain.opening_choice import MergeMethod
from domain.opening_policy import OpeningPolicy
from domain.pull_request import Reply

PULLS = TypeAdapter(tuple[GitHubPull, ...])
NOTHING_NEW = "no commits between"
"""The base branch holds all of it by now: there is nothing to open a pull request for."""
logger = logging.getLogger(__name__)


class GitHub(Hosted):
    """One repository; see daemon.forges.hosted.Hosted."""

    title_limit = 256
    templates = tuple(
        f"{folder}pull_request_template.{ending}" for folder in (".github/", "", "docs/") for ending in ("md", "txt")
    )
    """In the order that GitHub looks in (from memory)."""
    template_folders = tuple(f"{folder}pull_request_template" for folder in (".github/", "", "docs/"))

    def __init__(self, api: GitHubApi, name: str, settings: ForgeSettings | None = None) -> None:
        super().__init__(api, name, settings or ForgeSettings())
        self._api: GitHubApi = api

    async def pulls_of(self, branch: str) -> list[Pull]:
        repository = await self.repository()
        head = quote(f"{repository.owner}:{branch}", safe="")
        asked = f"state=all&head={head}&sort=created&direction=desc"
        pages = await Remembered(self._api, {}).pages(await self._path(f"/pulls?{asked}"), PULLS)
        # GitHub leaves out a filter that it doesn't understand, and then names every pull request.
        return [pull for page in pages for pull in page if pull.is_from(repository, branch)]

    async def pull(self, number: int) -> GitHubPull:
        return await self._api.read(await self._path(f"/pulls/{number}"), GitHubPull)

    async def opened(self, title: str, body: str, branch: str, base: str, *, draft: bool, find: Find) -> Pull:
        wanted = NewPull(title=title, body=body, head=branch, base=base, draft=draft)
        path = await self._path("/pulls")
        try:
            return await self._api.post_once(path, wanted, Pull, find)
        except Declined as declined:
            if not (draft and has_no_drafts(declined)):
                raise
        return await self._api.post_once(path, wanted.model_copy(update={"draft": False}), Pull, find)

    def is_nothing_new(self, declined: Declined) -> bool:
        return NOTHING_NEW in declined.complaint.lower()

    async def with_texts(self, pull: Pull, title: str, body: str) -> Pull:
        change = PullChange(title=title, body=body)
        return await self._api.patch(await self._path(f"/pulls/{pull.number}"), change, GitHubPull)

    async def with_draft_state(self, pull: Pull, draft: bool) -> Pull:
        async def as_wanted() -> GitHubPull | None:
            now = await self.pull(pull.number)
            return now if now.draft == draft or now.standing.is_over else None

        node = pull.node_id if isinstance(pull, GitHubPull) else (await self.pull(pull.number)).node_id
        try:
            return await self._api.mutate(Mutation.of(DRAFT if draft else READY, node), as_wanted)
        except Declined as declined:
            if now := await as_wanted():  # merged or closed at this very moment
                return now
            if not (draft and has_no_drafts(declined)):
                raise
            logger.warning("%s", declined)
        return pull

    async def with_base(self, pull: Pull, base: str) -> Pull:
        return await self._api.patch(await self._path(f"/pulls/{pull.number}"), BaseChange(base=base), GitHubPull)

    async def permission(self, user: User) -> CollaboratorPermission:
        return await self._api.read(await self._path(f"/collaborators/{user.login}/permission"), CollaboratorPermission)

    def looking(self, marks: dict[str, str], repository: Repository) -> LookPort:
        return GitHubLook(self._api, repository.full_name, Remembered(self._api, marks), marks)

    def asking_issues(self, repository: Repository) -> GitHubIssues:
        return GitHubIssues(self._api, repository)

    async def answer(self, number: int, reply: Reply) -> None:
        own = await self._path("")
        await Replies(self._api, own, await self.own_login()).give(number, reply)

    async def runs(self) -> GitHubRuns:
        return GitHubRuns(self._api, (await self.repository()).full_name)

    async def merged_by_itself(self, pull: Pull, method: MergeMethod) -> str:
        assert isinstance(pull, GitHubPull)
        return await AutoMerge(self._api, await self._path(""), await self.own_login()).turned_on(pull, method)

    async def furnished(self, pull: Pull, policy: OpeningPolicy) -> tuple[str, ...]:
        return await Furnishing(self._api, await self._path(""), pull.number).give(policy)

    async def canonical(self) -> Repository:
        return await self._api.read(f"/repos/{quote(self._name)}", Repository)

    async def myself(self) -> str:
        try:
            return (await self._api.read("/user", User)).login
        except Declined as declined:
            if declined.status != HTTPStatus.FORBIDDEN:
                raise
            refused = declined
        try:
            return (await self._api.query(WhoAmI(), Myself)).data.viewer.login
        except Declined as declined:
            raise (declined if declined.status == HTTPStatus.UNAUTHORIZED else refused) from None

    def compare_url(self, branch: str, base: str) -> str:
        return github_compare(self._api.host, self._name, branch, base)

    async def _path(self, rest: str) -> str:
        return f"/repos/{(await self.repository()).full_name}{rest}"
