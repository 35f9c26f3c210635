"""GitHub, and GitHub Enterprise, behind the port (rules 7.3–7.5)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import quote

from pydantic import TypeAdapter

from daemon.forges.forge_settings import ForgeSettings
from daemon.forges.github.api import Api
from daemon.forges.github.audience import Audience
from daemon.forges.github.look import PullRequestLook
from daemon.forges.github.payloads import (
    DRAFT,
    READY,
    BaseChange,
    Mutation,
    NewPull,
    Pull,
    PullChange,
    Repository,
    User,
)
from daemon.forges.github.refusals import Declined, has_no_drafts
from daemon.forges.github.remarks import is_by
from daemon.forges.github.remembered import Remembered
from daemon.forges.github.replies import Replies
from daemon.forges.links import github_compare
from daemon.forges.managed_section import body_of, is_ours, title_of
from domain.errors import ForgeRefused
from domain.pull_request import PullRequest, PullRequestWanted, Reply, Sighting

PULLS = TypeAdapter(tuple[Pull, ...])
TITLE_LIMIT = 256
"""Characters that GitHub takes."""
NOTHING_NEW = "no commits between"
"""The base branch holds all of it by now: there is nothing to open a pull request for."""
logger = logging.getLogger(__name__)


class GitHub:
    """One repository; see daemon.forges.port.Forge."""

    def __init__(self, api: Api, name: str, settings: ForgeSettings | None = None) -> None:
        """`name`: `owner/name`, as its address has it; the repository may have another one by now."""
        settings = settings or ForgeSettings()
        self._api = api
        self._name = name
        self._heed_own_comments = settings.heed_own_comments
        self._audience = Audience(api, settings)
        self._repository: Repository | None = None
        self._redirects = 0
        self._me: str | None = None

    async def find(self, branch: str, base: str) -> PullRequest | None:
        found = await self._newest(branch, base)
        return _as_pull_request(found) if found else None

    async def read(self, known: PullRequest) -> PullRequest:
        if not known.number:
            found = await self.find(known.branch, known.base)
            return found.model_copy(update={"version": known.version}) if found else known
        return _as_pull_request(await self._read(known.number), known.version)

    async def open_or_update(
        self, wanted: PullRequestWanted, branch: str, base: str, known: PullRequest | None = None
    ) -> PullRequest:
        wanted = wanted.model_copy(update={"title": _title(wanted.title)})
        if known and known.number:
            pull = await self._read(known.number)
        else:
            try:
                pull = await self._opened(wanted, branch, base)
            except Declined as declined:
                if NOTHING_NEW not in declined.complaint.lower():
                    raise
                return PullRequest(branch=branch, head="", base=base, version=wanted.version_of(branch))
        if not pull.standing.is_over:
            keeps_draft = wanted.keep_draft or not is_ours(pull.body or "")
            pull = await self._with_texts(pull, wanted)
        if not (pull.standing.is_over or keeps_draft):
            pull = await self._with_draft_state(pull, wanted.draft)
        made = _as_pull_request(pull, wanted.version_of(branch))
        for reply in wanted.replies:
            await self._reply_if_possible(made, reply)
        return made

    async def retarget(self, known: PullRequest, base: str) -> PullRequest:
        pull = await self._read(known.number)
        if not pull.standing.is_over and pull.base.ref != base:
            try:
                pull = await self._api.patch(await self._path(f"/pulls/{known.number}"), BaseChange(base=base), Pull)
            except Declined as declined:
                if declined.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                    raise
                raise ForgeRefused(
                    f"{self._api.host} does not take {base!r} as the base branch of pull request #{known.number} "
                    f"({declined.complaint}): choose another one with `edit --base-branch`, or make that branch"
                ) from declined
        return _as_pull_request(pull, known.version)

    async def look(self, known: PullRequest, marks: dict[str, str]) -> Sighting:
        if not known.number:
            return Sighting(pull_request=known)
        remembered = Remembered(self._api, marks)
        look = PullRequestLook(self._api, (await self._canonical()).full_name, remembered, marks, self._audience)
        pull = await look.pull(known.number)
        await self._refuse_forks(pull)
        seen = _as_pull_request(pull, known.version)
        if seen.state.is_over:
            return Sighting(pull_request=seen, base_head=await look.base_head(pull))
        return await look.sighting(seen, pull, await self._not_heeded())

    async def reply(self, known: PullRequest, reply: Reply) -> None:
        own = await self._path("")
        await Replies(self._api, own, await self._own_login()).give(known.number, reply)

    def compare_url(self, branch: str, base: str) -> str:
        return github_compare(self._api.host, self._name, branch, base)

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

        text = body_of("", wanted.title, wanted.body)
        body = NewPull(title=wanted.title, body=text, head=branch, base=base, draft=wanted.draft)
        path = await self._path("/pulls")
        try:
            return await self._api.post_once(path, body, Pull, find)
        except Declined as declined:
            if not (body.draft and has_no_drafts(declined)):
                raise
        return await self._api.post_once(path, body.model_copy(update={"draft": False}), Pull, find)

    async def _with_texts(self, pull: Pull, wanted: PullRequestWanted) -> Pull:
        known = _plain(pull.body or "")
        title = title_of(pull.title, known, wanted.title)
        body = body_of(known, wanted.title, wanted.body)
        if (_plain(pull.title), known) == (_plain(title), _plain(body)):
            return pull
        change = PullChange(title=title, body=body)
        return await self._api.patch(await self._path(f"/pulls/{pull.number}"), change, Pull)

    async def _with_draft_state(self, pull: Pull, draft: bool) -> Pull:
        if pull.draft == draft:
            return pull
        path = await self._path(f"/pulls/{pull.number}")

        async def as_wanted() -> Pull | None:
            now = await self._api.read(path, Pull)
            return now if now.draft == draft or now.standing.is_over else None

        try:
            return await self._api.mutate(Mutation.of(DRAFT if draft else READY, pull.node_id), as_wanted)
        except Declined as declined:
            if now := await as_wanted():  # merged or closed at this very moment
                return now
            if not (draft and has_no_drafts(declined)):
                raise
            logger.warning("%s", declined)
        return pull

    async def _newest(self, branch: str, base: str) -> Pull | None:
        """The open one, else the newest: one may have been opened again after a later one was closed. Into another base
        only what we have opened ourselves, and a person has retargeted since: anybody may open one from our branch.
        """
        found = await self._pulls(branch)
        into = [pull for pull in found if pull.base.ref == base]
        if is_open := _first_open(into):
            return is_open
        others = [pull for pull in found if pull.base.ref != base]
        ours = [pull for pull in others if is_by(pull.user, await self._own_login())] if others else []
        return _first_open(ours) or next(iter(into or ours), None)

    async def _pulls(self, branch: str) -> list[Pull]:
        """The newest first, whatever their base."""
        repository = await self._canonical()
        head = quote(f"{repository.owner}:{branch}", safe="")
        asked = f"state=all&head={head}&sort=created&direction=desc"
        page = await self._api.get(await self._path(f"/pulls?{asked}"))
        assert page is not None  # no etag was sent
        found = self._api.parsed(PULLS, page.content)
        # GitHub leaves out a filter that it doesn't understand, and then names every pull request.
        return [pull for pull in found if pull.is_from(repository, branch)]

    async def _read(self, number: int) -> Pull:
        pull = await self._api.read(await self._path(f"/pulls/{number}"), Pull)
        await self._refuse_forks(pull)
        return pull

    async def _refuse_forks(self, pull: Pull) -> None:
        """A branch of another repository is none of ours, though ours may have one of the same name."""
        repository = await self._canonical()
        if not pull.is_from(repository, pull.head.ref):
            fork = pull.head.repo.full_name if pull.head.repo else "a repository that was deleted"
            raise ForgeRefused(
                f"{self._api.host}: pull request #{pull.number} comes from {fork}, not from {repository.full_name}: "
                f"its branch can't be pushed to; name another one with `set-pr`"
            )

    async def _path(self, rest: str) -> str:
        return f"/repos/{(await self._canonical()).full_name}{rest}"

    async def _canonical(self) -> Repository:
        """The repository by its present name: after a renaming a POST, and a search by owner, would go astray."""
        if self._repository is None or self._api.redirects != self._redirects:
            self._repository = await self._api.read(f"/repos/{quote(self._name)}", Repository)
            self._redirects = self._api.redirects
        return self._repository

    async def _not_heeded(self) -> str:
        """The login whose comments are not for us: our own, unless the settings want them heard."""
        return "" if self._heed_own_comments else await self._own_login()

    async def _own_login(self) -> str:
        """Whose token it is; empty where it can't be known, as with an app's."""
        if self._me is None:
            try:
                self._me = (await self._api.read("/user", User)).login
            except Declined as declined:
                if declined.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                    raise
                self._me = ""
        return self._me


def _first_open(pulls: Iterable[Pull]) -> Pull | None:
    return next((pull for pull in pulls if pull.state == "open"), None)


def _as_pull_request(pull: Pull, version: int = 1) -> PullRequest:
    return PullRequest(
        branch=pull.head.ref,
        head=pull.head.sha,
        base=pull.base.ref,
        url=pull.html_url,
        state=pull.standing,
        number=pull.number,
        version=version,
    )


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LIMIT else f"{line[: TITLE_LIMIT - 1]}…"


def _plain(text: str) -> str:
    """As GitHub keeps it: line ends and blanks around it may differ."""
    return text.replace("\r\n", "\n").strip()
