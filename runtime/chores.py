"""What a process does again and again beside its work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from domain.errors import MakimaError

logger = logging.getLogger(__name__)


async def repeat(chore: Callable[[], Awaitable[None]], every: timedelta) -> None:
    """Until cancelled; a trouble that is known is told in a line, and the chore's turn comes again."""
    while True:
        try:
            await chore()
        except MakimaError as trouble:
            logger.warning("%s", trouble)
        await asyncio.sleep(every.total_seconds())
