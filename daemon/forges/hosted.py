"""A repository at a forge with pull requests, and the daemon's account there (rules 7.3–7.5): what is the same at every
forge. Each kind's adapter says how it is asked for.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from http import HTTPStatus

from daemon.forges.api import Api
from daemon.forges.audience import Audience, Permission
from daemon.forges.forge_settings import ForgeSettings
from daemon.forges.issue_talk import AskingIssues, Issues
from daemon.forges.look import LookPort, sighting_of
from daemon.forges.managed_section import body_of, filled, is_ours, title_of
from daemon.forges.pulls import Pull, Repository, as_pull_request, first_open
from daemon.forges.refusals import NOT_SHOWN, Declined
from daemon.forges.remarks import is_by
from daemon.forges.rerunning import Rerunning, RunsPort
from daemon.forges.said import User
from domain.errors import ForgeRefused
from domain.opening_choice import MergeMethod
from domain.opening_policy import OpeningPolicy
from domain.pull_request import PullRequest, PullRequestState, PullRequestWanted, Reply, Sighting

Find = Callable[[], Awaitable[Pull | None]]
"""Looks for the pull request that is to be opened."""
logger = logging.getLogger(__name__)


class Hosted(ABC):
    """One repository; see daemon.forges.port.Forge."""

    title_limit = 255
    """Characters that the forge takes."""
    templates: tuple[str, ...] = ()
    """See daemon.forges.port.Forge; so for the next."""
    template_folders: tuple[str, ...] = ()

    def __init__(self, api: Api, name: str, settings: ForgeSettings) -> None:
        """`name`: `owner/name`, as its address has it; the repository may have another one by now."""
        self._api = api
        self._name = name
        self._heed_own_comments = settings.heed_own_comments
        self._audience = Audience(self.permission, settings, api.timings.permission)
        self._repository: Repository | None = None
        self._redirects = 0
        self._me = ("", -1)
        """Our login, and of which change of the token."""

    @abstractmethod
    async def pulls_of(self, branch: str) -> list[Pull]:
        """Those from this branch of this repository, the newest first, whatever their base and state."""

    @abstractmethod
    async def pull(self, number: int) -> Pull:
        """The one of this number, wherever it comes from."""

    @abstractmethod
    async def opened(self, title: str, body: str, branch: str, base: str, *, draft: bool, find: Find) -> Pull:
        """A new one, or what `find` finds before each try; a draft where the forge has any."""

    @abstractmethod
    def is_nothing_new(self, declined: Declined) -> bool:
        """Whether none is opened since the base branch holds all of it by now."""

    @abstractmethod
    async def with_texts(self, pull: Pull, title: str, body: str) -> Pull:
        """The same with another title and description."""

    @abstractmethod
    async def with_draft_state(self, pull: Pull, draft: bool) -> Pull:
        """The same as a draft, or ready; as it is where the forge has no drafts."""

    @abstractmethod
    async def with_base(self, pull: Pull, base: str) -> Pull:
        """The same, to be merged into another branch."""

    @abstractmethod
    async def permission(self, user: User) -> Permission:
        """What somebody may do here; raises Declined where the forge doesn't say."""

    @abstractmethod
    def looking(self, marks: dict[str, str], repository: Repository) -> LookPort:
        """One look; `marks` as in daemon.forges.port.Forge.look."""

    @abstractmethod
    async def answer(self, number: int, reply: Reply) -> None:
        """See daemon.forges.port.Forge.reply."""

    @abstractmethod
    def asking_issues(self, repository: Repository) -> AskingIssues:
        """How its issues are asked for."""

    @abstractmethod
    async def runs(self) -> RunsPort:
        """What is run again, for one look."""

    @abstractmethod
    async def merged_by_itself(self, pull: Pull, method: MergeMethod) -> str:
        """See daemon.forges.port.Forge.merge_when_ready, of an open one of ours; raises Declined where the forge says
        no.
        """

    @abstractmethod
    async def furnished(self, pull: Pull, policy: OpeningPolicy) -> tuple[str, ...]:
        """See daemon.forges.port.Forge.furnish."""

    @abstractmethod
    async def canonical(self) -> Repository:
        """The repository by its present name, asked of the forge."""

    @abstractmethod
    async def myself(self) -> str:
        """The login of the token's account, asked of the forge."""

    @abstractmethod
    def compare_url(self, branch: str, base: str) -> str:
        """See daemon.forges.port.Forge."""

    async def find(self, branch: str, base: str) -> PullRequest | None:
        found = await self._newest(branch, base)
        return as_pull_request(found) if found else None

    async def read(self, known: PullRequest) -> PullRequest:
        if not known.number:
            found = await self.find(known.branch, known.base)
            return found.model_copy(update={"version": known.version}) if found else known
        return as_pull_request(await self._read(known.number), known.version)

    async def open_or_update(
        self, wanted: PullRequestWanted, branch: str, base: str, known: PullRequest | None = None
    ) -> PullRequest:
        wanted = wanted.model_copy(update={"title": self._title(wanted.title)})
        if known and known.number:
            pull = await self._read(known.number)
        else:
            try:
                pull = await self._opened(wanted, branch, base)
            except Declined as declined:
                if not self.is_nothing_new(declined):
                    raise
                return PullRequest(branch=branch, head="", base=base, version=wanted.version_of(branch))
        if not pull.standing.is_over:
            keeps_draft = wanted.keep_draft or not is_ours(pull.body or "")
            pull = await self._with_texts(pull, wanted)
        if not (pull.standing.is_over or keeps_draft or pull.draft == wanted.draft):
            pull = await self.with_draft_state(pull, wanted.draft)
        made = as_pull_request(pull, wanted.version_of(branch))
        for reply in wanted.replies:
            await self._reply_if_possible(made, reply)
        return made

    async def retarget(self, known: PullRequest, base: str) -> PullRequest:
        pull = await self._read(known.number)
        if not pull.standing.is_over and pull.base.ref != base:
            try:
                pull = await self.with_base(pull, base)
            except Declined as declined:
                if declined.status not in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND):
                    raise
                raise ForgeRefused(
                    f"{self._api.host} does not take {base!r} as the base branch of pull request #{known.number} "
                    f"({declined.complaint}): choose another one with `edit --base-branch`, or make that branch"
                ) from declined
        return as_pull_request(pull, known.version)

    async def furnish(self, made: PullRequest, policy: OpeningPolicy) -> tuple[str, ...]:
        if not made.number or not policy.gives_something:
            return ()
        pull, me = await self.pull(made.number), await self.own_login()
        if me and not is_by(pull.user, me):
            return ()
        return await self.furnished(pull, policy)

    async def look(self, known: PullRequest, marks: dict[str, str]) -> Sighting:
        if not known.number:
            return Sighting(pull_request=known)
        looking = self.looking(marks, await self.repository())
        pull = await looking.pull(known.number)
        await self._refuse_forks(pull)
        seen = as_pull_request(pull, known.version)
        if seen.state.is_over:
            return Sighting(pull_request=seen, base_head=await looking.base_head(pull))
        return await sighting_of(looking, self._audience, seen, pull, await self._not_heeded())

    async def run_again(self, known: PullRequest, failed: Collection[str], names: Sequence[str]) -> frozenset[str]:
        try:
            return await Rerunning(await self.runs()).of(known, failed, names)
        except Declined as declined:  # the token may not see them
            if declined.status not in NOT_SHOWN:
                raise
            return frozenset()

    async def merge_when_ready(self, known: PullRequest, method: MergeMethod) -> str:
        pull, me = await self._read(known.number), await self.own_login()
        if pull.standing is not PullRequestState.OPEN or pull.head.sha != known.head:
            return ""
        if me and not is_by(pull.user, me):
            return "somebody else has opened the pull request"
        try:
            return await self.merged_by_itself(pull, method)
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            return declined.complaint

    async def reply(self, known: PullRequest, reply: Reply) -> None:
        await self.answer(known.number, reply)

    async def issues(self) -> Issues:
        return Issues(self.asking_issues(await self.repository()), self._audience, await self.own_login())

    async def repository(self) -> Repository:
        """The repository by its present name: after a renaming a POST, and a search by owner, would go astray."""
        if self._repository is None or self._api.redirects != self._redirects:
            self._repository = await self.canonical()
            self._redirects = self._api.redirects
        return self._repository

    async def own_login(self) -> str:
        """Whose token it is, asked anew once that was replaced; empty where the forge doesn't tell."""
        login, change = self._me
        if change == self._api.tokens.changes:
            return login
        try:
            login = await self.myself()
        except Declined as declined:
            if declined.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                raise
            login = ""
        self._me = (login, self._api.tokens.changes)
        return login

    async def _reply_if_possible(self, made: PullRequest, reply: Reply) -> None:
        """A conversation may be locked, or a comment be gone meanwhile: the work is pushed, and needs nobody's help."""
        try:
            await self.reply(made, reply)
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            logger.warning("%s is not answered: %s", reply.comment, declined)

    async def _opened(self, wanted: PullRequestWanted, branch: str, base: str) -> Pull:
        async def find() -> Pull | None:
            return await self._newest(branch, base)

        text = filled(wanted.template, wanted.title, wanted.body)
        return await self.opened(wanted.title, text, branch, base, draft=wanted.draft, find=find)

    async def _with_texts(self, pull: Pull, wanted: PullRequestWanted) -> Pull:
        known = _plain(pull.body or "")
        title = title_of(pull.title, known, wanted.title)
        body = body_of(known, wanted.title, wanted.body)
        if (_plain(pull.title), known) == (_plain(title), _plain(body)):
            return pull
        return await self.with_texts(pull, title, body)

    async def _newest(self, branch: str, base: str) -> Pull | None:
        """The open one, else the newest: one may have been opened again after a later one was closed. Into another base
        only what we have opened ourselves, and a person has retargeted since: anybody may open one from our branch.
        """
        found = await self.pulls_of(branch)
        into = [pull for pull in found if pull.base.ref == base]
        if is_open := first_open(into):
            return is_open
        others = [pull for pull in found if pull.base.ref != base]
        ours = [pull for pull in others if is_by(pull.user, await self.own_login())] if others else []
        return first_open(ours) or next(iter(into or ours), None)

    async def _read(self, number: int) -> Pull:
        pull = await self.pull(number)
        await self._refuse_forks(pull)
        return pull

    async def _refuse_forks(self, pull: Pull) -> None:
        """A branch of another repository is none of ours, though ours may have one of the same name."""
        repository = await self.repository()
        if not pull.is_from(repository, pull.head.ref):
            fork = pull.head.repo.full_name if pull.head.repo else "a repository that was deleted"
            raise ForgeRefused(
                f"{self._api.host}: pull request #{pull.number} comes from {fork}, not from {repository.full_name}: "
                f"its branch can't be pushed to; name another one with `set-pr`"
            )

    async def _not_heeded(self) -> str:
        """The login whose comments are not for us: our own, unless the settings want them heard."""
        return "" if self._heed_own_comments else await self.own_login()

    def _title(self, text: str) -> str:
        line = " ".join(text.split())
        return line if len(line) <= self.title_limit else f"{line[: self.title_limit - 1]}…"


def _plain(text: str) -> str:
    """As a forge keeps it: line ends and blanks around it may differ."""
    return text.replace("\r\n", "\n").strip()
