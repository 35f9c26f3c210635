"""Read an issue at its forge (rule 7.6); needs a daemon, which has the token, but no agent."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.beating import beating
from activities.ports import IssueReader
from activities.pull_requests import longer, no_news
from activities.standalone import outcome_of
from domain import names
from domain.errors import ForgeRefused, ForgeUnreachable, NotReachable, Refused
from domain.intake.issue import IssueNamed, IssueRead
from domain.intake.state import IssueLook, IssuesSeen, IssueTold, ProgressTold
from domain.protocol import ErrorType

READ_WITHIN = timedelta(seconds=90)
TAKEN_WITHIN = timedelta(seconds=20)
"""By a daemon."""


class IssueActivities:
    def __init__(self, reader: IssueReader) -> None:
        self._reader = reader

    @activity.defn
    async def read_issue(self, named: IssueNamed) -> IssueRead:
        """What those say in it who are heard. A forge that doesn't answer is asked again."""
        try:
            return await self._reader.read(named)
        except (ForgeRefused, Refused) as refusal:
            raise ApplicationError(str(refusal), type=ErrorType.REFUSED, non_retryable=True) from refusal

    @activity.defn
    async def look_at_issues(self, look: IssueLook) -> IssuesSeen:
        """Poll until there is news: a poll without any fails, to be tried again later (design 11)."""
        try:
            async with beating():
                seen = await self._reader.look(look)
        except ForgeUnreachable as away:
            raise no_news(str(away), longer(look.every, away.until)) from away
        if seen is None:
            raise no_news("nothing has happened", look.every)
        return seen

    @activity.defn
    async def tell_issue(self, told: ProgressTold) -> IssueTold | None:
        """Write the one comment below an issue anew; any number of times. None is what older daemons say."""
        try:
            async with beating():
                return await self._reader.tell(told)
        except (ForgeRefused, Refused) as refusal:
            raise ApplicationError(str(refusal), type=ErrorType.REFUSED, non_retryable=True) from refusal
        except ForgeUnreachable as away:
            raise no_news(str(away), longer(timedelta(seconds=10), away.until)) from away


async def issue_by_daemon(client: Client, named: IssueNamed) -> IssueRead:
    """The issue, read by some daemon of the owner's; Refused with the forge's reason, NotReachable."""
    try:
        return await outcome_of(
            client.execute_activity_method(
                IssueActivities.read_issue,
                named,
                id=f"issue-{named.number}-{uuid4()}",
                task_queue=names.light_queue(named.owner),
                schedule_to_start_timeout=TAKEN_WITHIN,
                schedule_to_close_timeout=READ_WITHIN,
                retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10)),
            )
        )
    except ActivityFailureError as error:
        cause = error.__cause__
        if isinstance(cause, ApplicationError) and cause.type == ErrorType.REFUSED:
            raise Refused(cause.message) from error
        raise NotReachable(
            f"no daemon has read the issue ({cause or error}): is one running, with a token for its forge?"
        ) from error
    except RPCError as error:
        raise NotReachable(f"Temporal did not take the question: {error.message}") from error
