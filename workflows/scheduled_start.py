"""The story of a schedule's firing (rule 2.16): look, start a directive, and live as long as that is under way, so that
Temporal's overlap policy is about directives.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.schedules import ScheduleActivities
    from domain.protocol import FIRING, ErrorType
    from domain.schedules import LOOKS, DirectiveFollowed, Fired, Firing, FiringEnded, Scheduled
    from domain.start_checks import StartSeen
    from domain.visible import visible
    from workflows.options import BY_WORKER

LOOK: dict[str, Any] = {
    **BY_WORKER,
    "start_to_close_timeout": timedelta(minutes=10),  # several daemons may be asked, one after the other
    "heartbeat_timeout": timedelta(seconds=60),
}


@workflow.defn(name=FIRING)
class ScheduledStartWorkflow:
    """One firing. It fails where nothing was started, and where its directive doesn't go on by itself."""

    @workflow.run
    async def run(self, given: Scheduled) -> Fired:
        firing = Firing(scheduled=given, workflow=workflow.info().workflow_id)
        await self.look(firing)
        starting = asyncio.create_task(self.start(firing))
        try:
            fired = await asyncio.shield(starting)
            over = await self.follow(firing, fired)
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):  # by a later firing, or by hand
                await self.end(firing, await starting)
            raise
        if over.failure:
            raise failed(over.failure)
        return fired

    async def look(self, firing: Firing) -> None:
        """A remote may be away for a moment: what is found wrong is looked at again, and fails the firing at last."""
        pause = firing.scheduled.directive.settings.timings.poll
        for number in range(LOOKS):
            seen: StartSeen = await workflow.execute_activity_method(
                ScheduleActivities.look_before_firing, firing, **LOOK
            )
            if not seen.trouble:
                return
            if number < LOOKS - 1:
                await workflow.sleep(pause * 2**number)
        raise failed(seen.trouble)

    async def start(self, firing: Firing) -> Fired:
        fired: Fired = await workflow.execute_activity_method(ScheduleActivities.start_scheduled, firing, **BY_WORKER)
        workflow.set_current_details(visible(f"Directive {fired.directive}: {fired.workflow}"))
        return fired

    async def follow(self, firing: Firing, fired: Fired) -> FiringEnded:
        directive = firing.scheduled.directive
        every = directive.settings.timings.poll
        over: FiringEnded = await workflow.execute_activity_method(
            ScheduleActivities.follow_scheduled,
            DirectiveFollowed(owner=directive.owner, fired=fired, every=every),
            summary=fired.workflow,
            start_to_close_timeout=BY_WORKER["start_to_close_timeout"],
            retry_policy=RetryPolicy(initial_interval=every, maximum_interval=every),
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
        )
        return over

    async def end(self, firing: Firing, fired: Fired) -> None:
        await workflow.execute_activity_method(ScheduleActivities.end_scheduled, fired, **BY_WORKER)
        await self.follow(firing, fired)


def failed(why: str) -> ApplicationError:
    return ApplicationError(visible(" ".join(why.split()))[:2000], type=ErrorType.FIRING_FAILED, non_retryable=True)
