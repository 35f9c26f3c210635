"""What the three daemon activities share: the command goes to the daemon, refusals come back in Temporal's words."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.delivery import TemporalDelivery
from activities.ports import Daemon
from domain.errors import AgentUnavailable, AttemptGone, CannotServe, HandedBack, MakimaError
from domain.protocol import ErrorType
from domain.spawn_task import Outcome, SpawnTask
from domain.usage import Usage

AT_ONCE = timedelta(milliseconds=100)


class DaemonActivities:
    """Activities of one daemon; each sends the SpawnTask that it is given to the daemon it runs on."""

    def __init__(self, daemon: Daemon, client: Client, name: str) -> None:
        self._daemon = daemon
        self._client = client
        self._name = name

    async def _spawn(self, command: SpawnTask) -> Outcome:
        delivery = TemporalDelivery(self._client, command, self._name)
        try:
            outcome = await self._daemon.spawn(command, delivery)
        except asyncio.CancelledError:
            # An answer in place of the cancellation: what was called back has cost what it has used by then.
            if delivery.left is None or not delivery.was_called_back:
                raise
            outcome = delivery.left
        except CannotServe as refusal:
            raise ApplicationError(
                str(refusal),
                *_details(self._name, refusal, delivery.used),
                type=ErrorType.CANNOT_SERVE,
                non_retryable=True,
                category=ApplicationErrorCategory.BENIGN,
            ) from refusal
        except AttemptGone as gone:
            raise ApplicationError(
                str(gone),
                *_details(self._name, gone, delivery.used),
                type=ErrorType.ATTEMPT_GONE,
                non_retryable=True,
                category=ApplicationErrorCategory.BENIGN,
            ) from gone
        except HandedBack as stopped:
            raise ApplicationError(
                str(stopped),
                *_details(self._name, stopped, delivery.used),
                type=ErrorType.HANDED_BACK,
                next_retry_delay=AT_ONCE,
                category=ApplicationErrorCategory.BENIGN,
            ) from stopped
        return outcome.model_copy(update={"daemon": self._name})


def _details(daemon: str, refusal: MakimaError, used: Usage) -> tuple[Any, ...]:
    """Whose it is, until when it refuses, what is the matter with its agent, where it is that, and what deliveries of
    the attempt had used before; as much of it as there is.
    """
    until = refusal.until.isoformat() if isinstance(refusal, CannotServe) and refusal.until else ""
    away = refusal.away if isinstance(refusal, AgentUnavailable) else ""
    told = [daemon, until, away, *([used.model_dump(mode="json")] if used != Usage() else [])]
    while not told[-1]:
        told.pop()
    return tuple(told)
