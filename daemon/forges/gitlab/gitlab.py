"""GitLab, at gitlab.com and elsewhere, behind the port (rules 7.3–7.5); a pull request is a merge request there."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter

from daemon.forges.audience import Permission
from daemon.forges.forge_settings import ForgeSettings
from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.auto_merge import AutoMerge
from daemon.forges.gitlab.furnishing import Furnishing
from daemon.forges.gitlab.issues import GitLabIssues
from daemon.forges.gitlab.look import GitLabLook
from daemon.forges.gitlab.payloads import (
    Branch,
    Comparison,
    GitLabPull,
    Member,
    MergeRequest,
    NewMergeRequest,
    Person,
    Project,
    Stranger,
    TargetChange,
    TextsChange,
    TitleChange,
    as_draft,
    without_draft,
)
from daemon.forges.gitlab.replies import Replies, without_commands
from daemon.forges.gitlab.rerunning import GitLabRuns
from daemon.forges.hosted import Find, Hosted
from daemon.forges.links import gitlab_compare
from daemon.forges.look import LookPort
from daemon.forges.pulls import Pull, Repository
from daemon.forges.refusals import Declined
from daemon.forges.said import User
from domain.opening_choice import MergeMethod
from domain.opening_policy import OpeningPolicy
from domain.pull_request import PullRequest, PullRequestWanted, Reply

REQUESTS = TypeAdapter(tuple[MergeRequest, ...])
PEOPLE = TypeAdapter(tuple[Person, ...])
NOTHING_NEW = "no commits to merge"
_NOT_TAKEN = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT})
"""What GitLab says where a merge request can't be as it should."""


class GitLab(Hosted):
    """One project; see daemon.forges.hosted.Hosted."""

    title_limit = 255 - len("Draft: ")
    templates = (".gitlab/merge_request_templates/default.md",)
    template_folders = (".gitlab/merge_request_templates",)

    def __init__(self, api: GitLabApi, name: str, settings: ForgeSettings) -> None:
        """`name`: the project's path with all of its groups, as its address has it."""
        super().__init__(api, name, settings)
        self._api: GitLabApi = api

    async def open_or_update(
        self, wanted: PullRequestWanted, branch: str, base: str, known: PullRequest | None = None
    ) -> PullRequest:
        texts = {"title": without_draft(wanted.title), "body": without_commands(wanted.body)}
        harmless = wanted.model_copy(update=texts)
        return await super().open_or_update(harmless, branch, base, known)

    async def pulls_of(self, branch: str) -> list[Pull]:
        project = await self._project()
        asked = {"state": "all", "source_branch": branch, "order_by": "created_at", "sort": "desc"}
        found = await self._api.all(f"/projects/{project.id}/merge_requests?{urlencode(asked)}", REQUESTS)
        pulls = [each.as_pull(project) for each in found]
        return [pull for pull in pulls if pull.is_from(project, branch)]

    async def pull(self, number: int) -> GitLabPull:
        project = await self._project()
        request = await self._api.read(f"/projects/{project.id}/merge_requests/{number}", MergeRequest)
        return request.as_pull(project)

    async def opened(self, title: str, body: str, branch: str, base: str, *, draft: bool, find: Find) -> Pull:
        project = await self._project()
        path = f"/projects/{project.id}/merge_requests"

        async def known() -> MergeRequest | None:
            if found := await find():
                return await self._api.read(f"{path}/{found.number}", MergeRequest)
            await self._refuse_empty(branch, base)
            return None

        wanted = NewMergeRequest(
            source_branch=branch,
            target_branch=base,
            title=as_draft(title, draft=draft),
            description=without_commands(body),  # the repository's template may hold some, too
        )
        return (await self._api.post_once(path, wanted, MergeRequest, known)).as_pull(project)

    def is_nothing_new(self, declined: Declined) -> bool:
        return declined.complaint == NOTHING_NEW

    async def with_texts(self, pull: Pull, title: str, body: str) -> Pull:
        texts = TextsChange(title=as_draft(title, draft=pull.draft), description=body)
        return await self._changed(pull, texts)

    async def with_draft_state(self, pull: Pull, draft: bool) -> Pull:
        return await self._changed(pull, TitleChange(title=as_draft(pull.title, draft=draft)))

    async def with_base(self, pull: Pull, base: str) -> Pull:
        """GitLab itself would take a branch that isn't there."""
        await self._api.read(f"{await self._path()}/repository/branches/{quote(base, safe='')}", Branch)
        try:
            return await self._changed(pull, TargetChange(target_branch=base))
        except Declined as declined:
            if declined.status not in _NOT_TAKEN:
                raise
            raise Declined(str(declined), HTTPStatus.UNPROCESSABLE_ENTITY, declined.complaint) from declined

    async def permission(self, user: User) -> Permission:
        """Of members of the project, and of the groups that it lies in; whoever is none may do nothing."""
        number = user.id if user.id is not None else await self._number_of(user.login)
        try:
            return await self._api.read(f"{await self._path()}/members/all/{number}", Member)
        except Declined as declined:
            if declined.status != HTTPStatus.NOT_FOUND:
                raise
            return Stranger(user=user)

    def looking(self, marks: dict[str, str], repository: Repository) -> LookPort:
        assert isinstance(repository, Project)
        return GitLabLook(self._api, repository, marks)

    def asking_issues(self, repository: Repository) -> GitLabIssues:
        assert isinstance(repository, Project)
        return GitLabIssues(self._api, repository)

    async def answer(self, number: int, reply: Reply) -> None:
        address = (await self.pull(number)).html_url
        await Replies(self._api, await self._path(), await self.own_login()).give(number, address, reply)

    async def runs(self) -> GitLabRuns:
        return GitLabRuns(self._api, await self._project(), self.pull)

    async def merged_by_itself(self, pull: Pull, method: MergeMethod) -> str:
        assert isinstance(pull, GitLabPull)
        return await AutoMerge(self._api, await self._project(), await self.own_login()).turned_on(pull, method)

    async def furnished(self, pull: Pull, policy: OpeningPolicy) -> tuple[str, ...]:
        return await Furnishing(self._api, await self._path(), pull.number, self._number_of).give(policy)

    async def canonical(self) -> Project:
        """By its path, which may have changed: GitLab sends who reads on to its number, and refuses the rest."""
        return await self._api.read(f"/projects/{quote(self._name, safe='')}", Project)

    async def myself(self) -> str:
        return (await self._api.read("/user", Person)).username

    def compare_url(self, branch: str, base: str) -> str:
        return gitlab_compare(self._api.host, self._name, branch, base)

    async def _changed(self, pull: Pull, change: TextsChange | TitleChange | TargetChange) -> Pull:
        project = await self._project()
        path = f"/projects/{project.id}/merge_requests/{pull.number}"
        return (await self._api.put(path, change, MergeRequest)).as_pull(project)

    async def _refuse_empty(self, branch: str, base: str) -> None:
        """GitLab opens one for a branch without anything new, too."""
        ends = urlencode({"from": base, "to": branch})
        compared = await self._api.read(f"{await self._path()}/repository/compare?{ends}", Comparison)
        if not compared.commits:
            raise Declined(
                f"{self._api.host}: {branch} has nothing that {base} lacks",
                HTTPStatus.UNPROCESSABLE_ENTITY,
                NOTHING_NEW,
            )

    async def _number_of(self, login: str) -> int:
        found = await self._api.all(f"/users?{urlencode({'username': login})}", PEOPLE)
        number = next((each.id for each in found if each.username.lower() == login.lower()), None)
        if number is None:
            raise Declined(f"{self._api.host} knows no {login}", HTTPStatus.NOT_FOUND, "no such user")
        return number

    async def _path(self) -> str:
        """By the project's number, which is the same whatever it is called."""
        return f"/projects/{(await self._project()).id}"

    async def _project(self) -> Project:
        found = await self.repository()
        assert isinstance(found, Project)
        return found
