"""Standalone activities, as whoever starts one waits for its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio.service import RPCError

Result = TypeVar("Result")


async def outcome_of(call: Awaitable[Result]) -> Result:
    """What `client.execute_activity…()` gives; raises what it raises, but CancelledError only where the caller was
    cancelled.

    Temporal's client raises that one, too, where its poll ends as gRPC's CANCELLED: so ends a call whose connection is
    closed under it. Nobody was cancelled then, and a task that ends so ends without a word: here it is the RPCError
    that it came from.
    """
    try:
        return await call
    except asyncio.CancelledError as cancelled:
        if isinstance(cancelled.__cause__, RPCError):
            raise cancelled.__cause__ from None
        raise
