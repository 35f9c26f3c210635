"""How a daemon shows that it is there: it answers on a queue of its own, whatever else it does."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import ActivityFailureError, ActivityHandle, Client
from temporalio.exceptions import ActivityAlreadyStartedError
from temporalio.service import RPCError

from activities.standalone import outcome_of
from domain import names
from domain.errors import NotReachable, SettingsError

logger = logging.getLogger(__name__)

ANSWER_WITHIN = timedelta(seconds=20)
"""A daemon's first report comes a little before it polls."""

TAKEN_OVER_WITHIN = timedelta(seconds=5)
"""How long a daemon waits whose name another one has had."""

TURN = timedelta(seconds=30)
"""How long the turn of a daemon lasts that dies in the middle of its start."""
TURN_ASKED_EVERY = 0.2  # seconds


@activity.defn
async def answer_presence() -> None:
    """Somebody takes what is asked on this queue."""


async def is_present(client: Client, owner: str, daemon: str, within: timedelta) -> bool:
    """Whether the daemon answers on its own queue. NotReachable where Temporal doesn't."""
    try:
        await outcome_of(
            client.execute_activity(
                answer_presence,
                id=f"presence-{owner}-{daemon}-{uuid4()}",
                task_queue=names.presence_queue(owner, daemon),
                schedule_to_close_timeout=within,
            )
        )
    except ActivityFailureError:
        return False
    except RPCError as error:
        raise NotReachable(f"Temporal did not take a question: {error.message}") from error
    return True


class StartTurn:
    """Of several daemons of a name that start at once one is between its look for another and its first answer: where
    all only looked they would find nobody. An activity that no worker takes, since Temporal has one of an id.
    """

    def __init__(self, client: Client, owner: str, daemon: str) -> None:
        self._client = client
        self._owner = owner
        self._daemon = daemon
        self._held: ActivityHandle[None] | None = None

    async def take(self) -> None:
        """Wait until it is this one's. NotReachable where Temporal doesn't answer."""
        queue = f"{names.presence_queue(self._owner, self._daemon)}/turn"
        while self._held is None:
            try:
                self._held = await self._client.start_activity(
                    answer_presence,
                    id=f"daemon-starts-{self._owner}-{self._daemon}",
                    task_queue=queue,
                    schedule_to_close_timeout=TURN,
                )
            except ActivityAlreadyStartedError:
                await asyncio.sleep(TURN_ASKED_EVERY)
            except RPCError as error:
                raise NotReachable(f"Temporal did not say whether another one starts: {error.message}") from error

    async def give(self) -> None:
        """To the next one, once this daemon answers; also where it doesn't in time."""
        try:
            await is_present(self._client, self._owner, self._daemon, TURN)
        except NotReachable as error:
            logger.warning("%s", error)
        await self.leave()

    async def leave(self) -> None:
        """To the next one, at once."""
        if self._held:
            with suppress(RPCError):  # it ends by itself
                await self._held.terminate(reason="the daemon has started, or is not to")


async def refuse_namesake(client: Client, owner: str, daemon: str, identity: str) -> None:
    """SettingsError where another daemon of this name answers (rule 6.15): the two would take each other's tasks. Who
    has asked for work as `identity` is the daemon's own predecessor, of which its home's lock says that it is gone.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=names.presence_queue(owner, daemon)),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    try:
        pollers = (await client.workflow_service.describe_task_queue(request)).pollers
    except RPCError as error:
        raise NotReachable(f"Temporal does not say who asks for work: {error.message}") from error
    others = sorted({each.identity for each in pollers} - {identity})
    if others and await is_present(client, owner, daemon, TAKEN_OVER_WITHIN):
        raise SettingsError(
            f"another daemon {daemon!r} of owner {owner!r} is alive ({', '.join(others)}): "
            "give this one another name in its settings, or end that one"
        )


async def alone_of_its_name(client: Client, owner: str, daemon: str, identity: str) -> StartTurn:
    """The turn of a daemon that may start, to give once it answers; SettingsError, NotReachable."""
    turn = StartTurn(client, owner, daemon)
    await turn.take()
    try:
        await refuse_namesake(client, owner, daemon, identity)
    except BaseException:
        await turn.leave()
        raise
    return turn
