"""The story of an intake (rules 7.7 and 7.8): look at a repository's labelled issues, start a directive for each, carry
out what people command there, and tell each issue how it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from workflows.arguments import query, signal

with workflow.unsafe.imports_passed_through():
    from activities.intake import IntakeActivities
    from activities.issues import IssueActivities
    from domain import names
    from domain.errors import AnswerBroken
    from domain.intake.state import (
        CommandGiven,
        DirectivesWatched,
        IntakeState,
        IssueProgress,
        IssuesSeen,
        IssueTaken,
        IssueTold,
        ProgressTold,
        look_of,
        with_answer,
        with_progress,
        with_taken,
    )
    from domain.protocol import INTAKE, SignalName
    from workflows.daemon_answers import answer_of
    from workflows.options import BY_WORKER

Found = TypeVar("Found")
SOONEST = timedelta(seconds=1)
"""Between two looks that somebody has asked for."""
HEARTBEAT = timedelta(seconds=60)
"""A daemon that is silent for this long is lost: another one looks, or writes the comment."""


@workflow.defn(name=INTAKE)
class IntakeWorkflow:
    """One repository's. What counts is decided by daemons, and what is wanted by domain/intake/."""

    @workflow.init
    def __init__(self, given: IntakeState) -> None:
        self.state = given
        self.is_removed = False
        self.looks = 0
        self.woken = 0
        self.woken_at: datetime | None = None

    @workflow.run
    async def run(self, given: IntakeState) -> IntakeState:
        loops = [asyncio.create_task(self.take_issues()), asyncio.create_task(self.tell_issues())]
        await workflow.wait_condition(lambda: self.is_over() or any(each.done() for each in loops))
        for each in loops:
            each.cancel()
        for ended in await asyncio.gather(*loops, return_exceptions=True):
            if isinstance(ended, BaseException) and not is_cancelled_exception(ended):
                raise ended
        if not self.is_removed:
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(self.state)
        return self.state

    def is_over(self) -> bool:
        """This run: what is cut off is done again by the next one, and has one effect all the same."""
        is_long = workflow.info().get_current_history_length() >= self.state.wanted.settings.rest_at_events
        return self.is_removed or is_long or workflow.info().is_continue_as_new_suggested()

    async def take_issues(self) -> None:
        """Start a directive for each issue that is to be taken, and carry out what is commanded in those that were."""
        while not self.is_over():
            seen = await self.unless(self.wanted_anew(), self.look)
            for issue in seen.found if seen else ():
                wanted = IssueTaken(wanted=self.state.wanted, issue=issue)
                taken = await workflow.execute_activity_method(
                    IntakeActivities.start_directive, wanted, summary=f"issue #{issue.number}", **BY_WORKER
                )
                self.state = with_taken(self.state, [taken])
            for said in seen.commands if seen else ():
                one = next((each for each in self.state.followed if each.number == said.number), None)
                if one is None:
                    continue
                given = CommandGiven(workflow=one.workflow, said=said, plan=one.plan)
                answer = await workflow.execute_activity_method(
                    IntakeActivities.carry_out, given, summary=f"issue #{said.number}: {said.author}", **BY_WORKER
                )
                self.state = with_answer(self.state, said, answer)

    async def tell_issues(self) -> None:
        """Let the one comment of ours below each issue say how its directive goes."""
        while not self.is_over():
            await workflow.wait_condition(lambda: bool(self.state.followed) or self.is_over())
            if not self.state.followed:
                return
            told = await self.unless(self.others_followed(), self.watch)
            for each in told or ():
                at = await self.tell(each) if each.body else None
                self.state = with_progress(self.state, each, at)

    def others_followed(self) -> Callable[[], bool]:
        """Whether others are followed than now, or more of them was told or asked."""
        now = self.state.followed
        return lambda: self.state.followed != now or self.is_over()

    def wanted_anew(self) -> Callable[[], bool]:
        """Whether to look again, for others are followed by now, or somebody has said that there is something new."""
        others_followed, woken = self.others_followed(), self.woken
        return lambda: others_followed() or self.woken != woken

    async def unless(self, called_off: Callable[[], bool], poll: Callable[[], Awaitable[Found]]) -> Found | None:
        """What a poll brings; None: it was called off, for what it asks about is something else by now, or failed."""
        task = asyncio.ensure_future(poll())
        task.add_done_callback(_forget_error)  # where this run ends meanwhile nobody asks how it ended
        try:
            await workflow.wait_condition(lambda: task.done() or called_off())
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            task.cancel()
        try:
            return await task
        except (ActivityError, AnswerBroken, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                return None
            self.state = self.state.model_copy(update={"trouble": str(error.__cause__ or error)[:1000]})
            with suppress(TimeoutError):  # another daemon, or another version of this one, may do better
                await workflow.wait_condition(called_off, timeout=self.state.wanted.every)
            return None

    async def look(self) -> IssuesSeen:
        seen = await answer_of(
            IssueActivities.look_at_issues,
            look_of(self.state),
            IssuesSeen,
            task_queue=names.light_queue(self.state.wanted.owner),
            summary=f"issues labelled {self.state.wanted.label}",
            **self.polling("look"),
        )
        self.state = self.state.model_copy(update={"left": seen.left, "trouble": seen.trouble})
        return seen

    async def watch(self) -> tuple[IssueProgress, ...]:
        watched = DirectivesWatched(followed=self.state.followed, every=self.state.wanted.every)
        told: tuple[IssueProgress, ...] = await workflow.execute_activity_method(
            IntakeActivities.watch_directives, watched, **self.polling("watch")
        )
        return told

    async def tell(self, progress: IssueProgress) -> datetime | None:
        """Since when it can be read there. What the forge refuses is told once more with the next news."""
        wanted = self.state.wanted
        told = ProgressTold(
            owner=wanted.owner, repository=wanted.repository, number=progress.number, body=progress.body
        )
        try:
            known: IssueTold | None = await workflow.execute_activity_method(
                IssueActivities.tell_issue,
                told,
                task_queue=names.light_queue(wanted.owner),
                summary=f"issue #{progress.number}",
                start_to_close_timeout=timedelta(minutes=5),
                heartbeat_timeout=HEARTBEAT,
                retry_policy=told_again(wanted.every),
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self.state = self.state.model_copy(update={"trouble": str(error.__cause__ or error)[:1000]})
            return None
        return known.at if known else None

    def polling(self, what: str) -> dict[str, Any]:
        """It polls by failing, which costs no history (design 11). One that was called off may still be known."""
        every = self.state.wanted.every
        self.looks += 1
        return {
            "activity_id": f"{what}-{self.looks}",
            "start_to_close_timeout": timedelta(minutes=5),
            "heartbeat_timeout": HEARTBEAT,
            "retry_policy": RetryPolicy(initial_interval=every, maximum_interval=every),
            "cancellation_type": ActivityCancellationType.TRY_CANCEL,
        }

    @signal(SignalName.INTAKE_REMOVED)
    def remove(self, actor: str) -> None:
        self.is_removed = True

    @signal(SignalName.LOOK_NOW)
    def look_now(self, why: str) -> None:
        """Whoever says so, it is no more than a look, and a bounded number of them."""
        now = workflow.now()
        if self.woken_at is None or now - self.woken_at >= SOONEST:
            self.woken, self.woken_at = self.woken + 1, now

    @query()
    def status(self) -> IntakeState:
        return self.state


def told_again(every: timedelta) -> RetryPolicy:
    """When an issue is told what becomes of it once more, after its forge was away."""
    longest = timedelta(minutes=10)
    return RetryPolicy(initial_interval=min(every, longest), maximum_interval=longest)


def _forget_error(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()
