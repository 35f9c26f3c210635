"""GitLab's auto-merge (rule 7.5): remembered in the notes that GitLab itself writes below a merge request."""

from __future__ import annotations

from pydantic import TypeAdapter

from daemon.forges.auto_merge import Switched, why_off
from daemon.forges.gitlab.api import GitLabApi
from daemon.forges.gitlab.payloads import GitLabPull, MergeRequest, Note, Project
from daemon.forges.refusals import Declined
from domain.opening_choice import MergeMethod
from domain.value import Value

NOTES = TypeAdapter(tuple[Note, ...])
_ON, _OFF, _DROPPED = "enabled an automatic merge", "canceled the automatic merge", "aborted the automatic merge"
"""How its notes begin (from memory); it aborts what a push or another rule ends."""
_REBASES = frozenset({"ff", "rebase_merge"})
"""How a project merges, where nothing is merged that isn't rebased."""


class MergeWanted(Value):
    sha: str
    squash: bool
    auto_merge: bool = True
    merge_when_pipeline_succeeds: bool = True
    """Its older name."""


class AutoMerge:
    """Of one project's merge requests."""

    def __init__(self, api: GitLabApi, project: Project, me: str) -> None:
        self._api = api
        self._project = project
        self._me = me

    async def turned_on(self, pull: GitLabPull, method: MergeMethod) -> str:
        """Why it is not; see daemon.forges.hosted.Hosted.merged_by_itself."""
        path = f"/projects/{self._project.id}/merge_requests/{pull.number}"
        if pull.merges_by_itself:
            return ""
        if why := self._not_so(method) or why_off(await self._switches(path), self._me):
            return why
        wanted = MergeWanted(sha=pull.head.sha, squash=method is MergeMethod.SQUASH)
        try:
            await self._api.put(f"{path}/merge", wanted, MergeRequest)
        except Declined as declined:
            raise Declined(
                str(declined),
                declined.status,
                f"GitLab says {declined.complaint!r}: it takes what has a pipeline and lacks nothing else",
            ) from declined
        return ""

    def _not_so(self, method: MergeMethod) -> str:
        """Squashed or not is a merge request's own, everything else the project's."""
        rebases = self._project.merge_method in _REBASES
        if method is MergeMethod.SQUASH or not self._project.merge_method:
            return ""
        is_so = rebases if method is MergeMethod.REBASE else self._project.merge_method != "ff"
        return "" if is_so else f"the project merges otherwise ({self._project.merge_method})"

    async def _switches(self, path: str) -> list[Switched]:
        notes = await self._api.all(f"{path}/notes?sort=asc&order_by=created_at", NOTES)
        return [
            Switched(
                on=each.body.startswith(_ON),
                by=each.author.user if each.author else None,
                by_forge=each.body.startswith(_DROPPED),
            )
            for each in notes
            if each.system and each.body.startswith((_ON, _OFF, _DROPPED))
        ]
