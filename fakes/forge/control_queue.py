"""The control API's part about the merge queue: what people do with it, and how its checks end."""

from __future__ import annotations

from enum import StrEnum

from starlette.routing import Route

from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.merge_queue import enter, leave, merge_first
from fakes.forge.merge_records import QueueReason
from fakes.forge.queue_leaving import QUEUE_LOGIN
from fakes.forge.stored import Stored


class QueueDeed(StrEnum):
    ENTER = "enter"
    """Somebody puts it in."""
    LEAVE = "leave"
    """Somebody takes it out."""
    MERGE = "merge"
    EJECT = "eject"


class QueueOrder(Stored):
    does: QueueDeed
    user: str = "ann"
    """Who, where somebody does it."""
    reason: QueueReason = QueueReason.FAILED_CHECKS
    """Why it is ejected."""


def routes(api: Routes) -> list[Route]:
    return [api.route("/_control/repos/{owner:path}/{repo}/pulls/{number:int}/queue", POST=do)]


async def do(call: Call) -> ApiAnswer:
    (repository, pull), order = await call.pull(), await call.body(QueueOrder)
    match order.does:
        case QueueDeed.ENTER:
            await enter(repository, pull.number, order.user)
        case QueueDeed.LEAVE:
            await leave(repository, pull.number, order.user, QueueReason.MANUAL)
        case QueueDeed.MERGE:
            await merge_first(repository, pull.number)
        case QueueDeed.EJECT:
            await leave(repository, pull.number, QUEUE_LOGIN, order.reason)
    return ApiAnswer(status=204)
