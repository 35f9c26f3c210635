"""How a daemon shows that it is there: it answers on a queue of its own, whatever else it does."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import ActivityFailureError, Client
from temporalio.service import RPCError

from activities.standalone import outcome_of
from domain import names
from domain.errors import NotReachable, SettingsError

ANSWER_WITHIN = timedelta(seconds=20)
"""A daemon's first report comes a little before it polls."""

TAKEN_OVER_WITHIN = timedelta(seconds=5)
"""How long a daemon waits whose name another one has had."""


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
