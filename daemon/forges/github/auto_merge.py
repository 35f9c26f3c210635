"""GitHub's auto-merge (rule 7.5): turned on by GraphQL alone, and remembered in the pull request's events."""

from __future__ import annotations

from pydantic import TypeAdapter

from daemon.forges.auto_merge import Turn, why_off
from daemon.forges.github.graph import GitHubApi
from daemon.forges.github.payloads import GitHubPull
from daemon.forges.refusals import Declined, says
from daemon.forges.remembered import Remembered
from daemon.forges.said import User
from domain.opening_policy import MergeMethod
from domain.tolerant import Tolerant
from domain.value import Value

_ON = frozenset({"auto_merge_enabled", "auto_squash_enabled", "auto_rebase_enabled"})
_OFF = "auto_merge_disabled"
"""Names of events (from memory)."""
_NOTHING_MISSING = ("clean status", "unstable status")
"""How GitHub refuses what could be merged at once (from memory)."""


class _Event(Tolerant):
    event: str = ""
    actor: User | None = None


class _Wanted(Value):
    id: str
    head: str
    method: str


class AutoMergeWanted(Value):
    query: str = (
        "mutation($id: ID!, $head: GitObjectID!, $method: PullRequestMergeMethod!) { enablePullRequestAutoMerge("
        "input: {pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method}) { pullRequest { isDraft } } }"
    )
    variables: _Wanted


EVENTS = TypeAdapter(tuple[_Event, ...])


class AutoMerge:
    """Of one repository's pull requests."""

    def __init__(self, api: GitHubApi, path: str, me: str) -> None:
        """`path`: the repository's own; `me`: our login."""
        self._api = api
        self._path = path
        self._me = me

    async def turned_on(self, pull: GitHubPull, method: MergeMethod) -> str:
        """Why it is not; see daemon.forges.hosted.Hosted.merged_by_itself."""
        if pull.auto_merge is not None:
            return ""
        if why := why_off(await self._turns(pull.number), self._me):
            return why
        wanted = _Wanted(id=pull.node_id, head=pull.head.sha, method=method.value.upper())

        async def is_on() -> GitHubPull | None:
            now = await self._api.read(f"{self._path}/pulls/{pull.number}", GitHubPull)
            return now if now.auto_merge is not None or now.standing.is_over else None

        try:
            await self._api.mutate(AutoMergeWanted(variables=wanted), is_on)
        except Declined as declined:
            if not says(declined.complaint, _NOTHING_MISSING):
                raise
            return "nothing that the base branch requires is missing, and there GitHub leaves merging to a person"
        return ""

    async def _turns(self, number: int) -> list[Turn]:
        pages = await Remembered(self._api, {}).pages(f"{self._path}/issues/{number}/events", EVENTS)
        told = (each for page in pages for each in page if each.event in _ON or each.event == _OFF)
        return [Turn(on=each.event in _ON, by=each.actor) for each in told]
