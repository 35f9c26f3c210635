"""GitHub's auto-merge (rule 7.5): turned on by GraphQL alone, and remembered in the pull request's events."""

from __future__ import annotations

from pydantic import TypeAdapter

from daemon.forges.auto_merge import Switched, why_off
from daemon.forges.github.blocking import told_of
from daemon.forges.github.graph import GitHubApi
from daemon.forges.github.merge_queue import QUEUE_LOGIN
from daemon.forges.github.payloads import GitHubPull
from daemon.forges.refusals import Declined, says
from daemon.forges.remarks import is_by
from daemon.forges.remembered import Remembered
from daemon.forges.said import User
from domain.opening_choice import MergeMethod
from domain.tolerant import Tolerant
from domain.value import Value

_ON = frozenset({"auto_merge_enabled", "auto_squash_enabled", "auto_rebase_enabled"})
_OFF = "auto_merge_disabled"
_ENTERED, _LEFT = "added_to_merge_queue", "removed_from_merge_queue"
"""Names of events (from memory). Who waits in the queue is no longer to be merged by auto-merge."""
MOST_TRIES = 5
"""So often a pull request is put into the merge queue that has put it out."""
_NOTHING_MISSING = ("clean status", "unstable status")
"""How GitHub refuses what could be merged at once (from memory)."""


class _Event(Tolerant):
    event: str = ""
    actor: User | None = None

    @property
    def turn(self) -> Switched | None:
        if self.event in _ON or self.event == _ENTERED:
            return Switched(on=True, by=self.actor)
        by_queue = self.event == _LEFT and is_by(self.actor, QUEUE_LOGIN)
        return Switched(on=False, by=self.actor, by_forge=by_queue) if self.event in (_OFF, _LEFT) else None


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
        events = await self._events(pull.number)
        turns = [each.turn for each in events if each.turn]
        if [each.event for each in events if each.turn][-1:] == [_ENTERED]:
            return ""
        if why := why_off(turns, self._me):
            return why
        if sum(each.by_forge for each in turns) >= MOST_TRIES:
            return f"the merge queue has put it out {MOST_TRIES} times"
        wanted = _Wanted(id=pull.node_id, head=pull.head.sha, method=method.value.upper())

        async def is_on() -> GitHubPull | None:
            now = await self._api.read(f"{self._path}/pulls/{pull.number}", GitHubPull)
            is_done = now.auto_merge is not None or now.standing.is_over
            return now if is_done or await self._is_queued(pull) else None

        try:
            await self._api.mutate(AutoMergeWanted(variables=wanted), is_on)
        except Declined as declined:
            if not says(declined.complaint, _NOTHING_MISSING):
                raise
            return "nothing that the base branch requires is missing, and there GitHub leaves merging to a person"
        return ""

    async def _is_queued(self, pull: GitHubPull) -> bool:
        """What lacks nothing goes into the merge queue at once, where the base branch has one; REST doesn't tell it."""
        told = await told_of(self._api, self._path.removeprefix("/repos/"), pull.number)
        return told is not None and told.is_queued

    async def _events(self, number: int) -> list[_Event]:
        pages = await Remembered(self._api, {}).pages(f"{self._path}/issues/{number}/events", EVENTS)
        return [each for page in pages for each in page]
