"""A daemon looks at a repository before a directive is started there (rule 2.12), asked on the queue of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.service import RPCError

from activities.ports import StartChecks
from activities.standalone import outcome_of
from domain import names
from domain.errors import NotReachable
from domain.models import Directive, State
from domain.protocol import DaemonFeature
from domain.reports import DaemonSeen
from domain.start_checks import StartSeen, StartWanted, serving

AT_ONCE = 4
"""Of a daemon; presence is asked on the same queue, and must not wait for a remote."""
TAKEN_WITHIN = timedelta(seconds=10)
"""A daemon that lives polls all the time."""
LOOKED_WITHIN = timedelta(minutes=2)
"""A remote that doesn't answer takes a minute for a question."""


class StartCheckActivities:
    def __init__(self, checks: StartChecks) -> None:
        self._checks = checks
        self._turns = asyncio.Semaphore(AT_ONCE)

    @activity.defn
    async def look_before_start(self, wanted: StartWanted) -> StartSeen:
        """What is wrong is a part of the answer."""
        if self._turns.locked():
            return StartSeen(trouble="this daemon looks at other repositories at this moment: try again")
        async with self._turns:
            return await self._checks.look(wanted)


def lookers(state: State, daemons: Iterable[DaemonSeen]) -> list[DaemonSeen]:
    """The living daemons that serve something of a directive and can look at its repository, the freest first."""
    return [each for each in serving(state, daemons) if DaemonFeature.START_CHECKS in each.features]


async def seen_by_one(
    client: Client, directive: Directive, asked: Iterable[DaemonSeen], **wanted: bool
) -> tuple[DaemonSeen, StartSeen] | None:
    """The first of these daemons that answers, and what it finds in the repository; None: none does. `wanted`: more
    fields of StartWanted. NotReachable where Temporal doesn't answer.
    """
    question = StartWanted(
        repository=directive.repository,
        base_branch=directive.base_branch,
        branch_prefix=directive.settings.branch_prefix,
        **wanted,
    )
    for each in asked:
        if (seen := await _ask(client, directive.owner, each.name, question)) is not None:
            return each, seen
    return None


async def _ask(client: Client, owner: str, daemon: str, wanted: StartWanted) -> StartSeen | None:
    """What the daemon finds; None where it doesn't answer. NotReachable where Temporal doesn't."""
    try:
        return await outcome_of(
            client.execute_activity_method(
                StartCheckActivities.look_before_start,
                wanted,
                id=f"start-check-{owner}-{daemon}-{uuid4()}",
                task_queue=names.presence_queue(owner, daemon),
                schedule_to_start_timeout=TAKEN_WITHIN,
                start_to_close_timeout=LOOKED_WITHIN,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        )
    except ActivityFailureError:
        return None
    except RPCError as error:
        raise NotReachable(f"Temporal did not take a question: {error.message}") from error
