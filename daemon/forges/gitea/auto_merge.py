"""Auto-merge at Gitea and Forgejo (rule 7.5): only the timeline tells that it is on (types of entries from memory)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from pydantic import Field, TypeAdapter

from daemon.forges.api import Api
from daemon.forges.auto_merge import Switched, why_off
from daemon.forges.gitea.pages import pages_of
from daemon.forges.gitea.payloads import Branch, GiteaUser
from daemon.forges.pulls import Pull
from daemon.forges.refusals import Declined
from domain.opening_choice import MergeMethod
from domain.tolerant import Tolerant
from domain.value import Value

_ON, _OFF = "pull_scheduled_merge", "pull_cancel_scheduled_merge"


class _Entry(Tolerant):
    type: str = ""
    by: GiteaUser | None = Field(None, alias="user")


class MergeWanted(Value):
    """Older servers have other names for two of these, which differ in capital letters alone: Go takes either."""

    do: str
    head_commit_id: str
    merge_when_checks_succeed: bool = True


TIMELINE = TypeAdapter(tuple[_Entry, ...])


class AutoMerge:
    """Of one repository's pull requests."""

    def __init__(self, api: Api, path: str, me: str) -> None:
        self._api = api
        self._path = path
        self._me = me

    async def turned_on(self, pull: Pull, method: MergeMethod) -> str:
        """Why it is not; see daemon.forges.hosted.Hosted.merged_by_itself."""
        turns = await self._switches(pull.number)
        if turns and turns[-1].on:
            return ""
        if why := why_off(turns, self._me):
            return why
        base = await self._api.read(f"{self._path}/branches/{quote(pull.base.ref)}", Branch)
        if not (base.enable_status_check or base.required_approvals):
            # It would merge at once, before any check has begun.
            return "the base branch requires nothing that could be waited for"
        wanted = MergeWanted(do=method.value, head_commit_id=pull.head.sha)
        where = self._api.at(f"{self._path}/pulls/{pull.number}/merge")
        try:
            await self._api.retried(lambda: self._api.send("POST", where, wanted))
        except Declined as declined:
            switches = await self._switches(pull.number) if declined.status == HTTPStatus.CONFLICT else []
            if not (switches and switches[-1].on):
                raise
        return ""

    async def _switches(self, number: int) -> list[Switched]:
        pages = await pages_of(self._api, f"{self._path}/issues/{number}/timeline", TIMELINE)
        told = (each for page in pages for each in page if each.type in (_ON, _OFF))
        return [Switched(on=each.type == _ON, by=each.by.told() if each.by else None) for each in told]
