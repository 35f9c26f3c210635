"""A schedule's firing, by a worker (rule 2.16): look, start its directive once, and wait until that is over."""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.beating import beating
from activities.lost_workflows import described, how_lost
from activities.ports import DirectivesKnown, DirectiveStarter
from activities.pull_requests import no_news
from activities.start_checks import lookers, seen_by_one
from domain.errors import NotReachable
from domain.schedules import DirectiveFollowed, Fired, Firing, FiringEnded, draft_of, ended
from domain.start_checks import StartSeen


class ScheduleActivities:
    def __init__(self, starter: DirectiveStarter, client: Client, record: DirectivesKnown) -> None:
        self._starter = starter
        self._client = client
        self._record = record

    @activity.defn
    async def look_before_firing(self, firing: Firing) -> StartSeen:
        """What a daemon finds in the repository. Where none lives that could tell, nothing is wrong with it so far: the
        directive waits for one.
        """
        draft = draft_of(firing)
        asked = lookers(draft, await self._record.daemons(draft.directive.owner))
        async with beating():
            answered = await seen_by_one(self._client, draft.directive, asked)
        return answered[1] if answered else StartSeen()

    @activity.defn
    async def start_scheduled(self, firing: Firing) -> Fired:
        """Start the directive, unless it was started; any number of times."""
        draft = draft_of(firing)
        return Fired(directive=draft.directive.id, workflow=await self._starter.start(draft))

    @activity.defn
    async def follow_scheduled(self, followed: DirectiveFollowed) -> FiringEnded:
        """Poll until it is over, by the record; a poll before fails, to be tried again (design 11)."""
        if over := await self._over(followed):
            return over
        raise no_news("its directive goes on", followed.every)

    @activity.defn
    async def end_scheduled(self, fired: Fired) -> None:
        """Cancel the directive, which archives it, its work saved."""
        try:
            await self._client.get_workflow_handle(fired.workflow).cancel()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it is over
                raise NotReachable(f"{fired.workflow} was not cancelled: {error.message}") from error

    async def _over(self, followed: DirectiveFollowed) -> FiringEnded | None:
        fired = followed.fired
        known = await self._record.directive(followed.owner, fired.directive)
        if known is not None and not known.lost:
            state = await self._record.state(fired.directive)
            return ended(state) if state else None
        lost = known.lost if known else await self._lost(fired.workflow)
        return FiringEnded(failure=f"lost: {lost}") if lost else None

    async def _lost(self, workflow: str) -> str:
        """How one has ended that never came into the record; empty: it goes on."""
        try:
            return how_lost(await described(self._client, workflow))
        except RPCError as error:
            raise NotReachable(f"Temporal did not say how {workflow} is: {error.message}") from error
