"""How a daemon shows that it is there: it answers on a queue of its own, whatever else it does."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.client import ActivityFailureError, Client
from temporalio.service import RPCError

from activities.standalone import outcome_of
from domain import names
from domain.errors import NotReachable

ANSWER_WITHIN = timedelta(seconds=20)
"""A daemon's first report comes a little before it polls."""


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
