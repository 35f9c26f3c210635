"""Workers of tests, in the test's own process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio.worker import Worker

ENDS_WITHIN = timedelta(minutes=1)


class TestedWorker(Worker):
    """One whose end takes at most a minute: the SDK's may never come where it is stopped in the midst of an activity's
    completion (sdk-rust issue 1537), and nothing is lost by that, since the activity is tried again.
    """

    __test__ = False

    async def __aexit__(self, kind: type[BaseException] | None, *args: Any) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(super().__aexit__(kind, *args), ENDS_WITHIN.total_seconds())
