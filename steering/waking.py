"""Let intakes look at once (rule 7.9), a bounded number of times however often somebody wants it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from time import monotonic
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import NotReachable
from domain.intake.state import intake_prefix
from domain.protocol import INTAKE, SignalName

logger = logging.getLogger(__name__)

SOONEST = timedelta(seconds=5)
"""Between two looks that one intake is woken for."""
KNOWN_FOR, UNKNOWN_FOR = timedelta(seconds=30), timedelta(seconds=5)
"""After so long Temporal is asked again which intakes there are, for one that is known and one that isn't."""
GRANT_WITHIN = timedelta(seconds=10)


class Waker:
    """Of one owner's intakes. What is wanted too soon after a look is done once, a little later."""

    def __init__(
        self, temporal: Callable[[], Coroutine[Any, Any, Client]], owner: str, soonest: timedelta = SOONEST
    ) -> None:
        self._soonest = soonest.total_seconds()
        self._temporal = temporal
        self._owner = owner
        self._known: dict[str, list[str]] = {}
        self._asked = -KNOWN_FOR.total_seconds()
        self._asking = asyncio.Lock()
        self._woken: dict[str, float] = {}
        self._later: dict[str, asyncio.Task[None]] = {}

    async def wake(self, repository: str) -> bool:
        """Whether there is an intake of `owner/name`, whichever forge it is at; raises NotReachable."""
        repository = repository.lower()
        workflows = (await self._intakes(repository)).get(repository, [])
        for workflow in workflows:
            left = self._woken.get(workflow, -self._soonest) + self._soonest - monotonic()
            if left <= 0:
                await self._look(workflow)
            elif workflow not in self._later:
                self._later[workflow] = asyncio.create_task(self._look_in(left, workflow))
        return bool(workflows)

    @property
    def waiting(self) -> int:
        """How many intakes will be woken once more."""
        return len(self._later)

    async def close(self) -> None:
        for task in self._later.values():
            task.cancel()
        await asyncio.gather(*self._later.values(), return_exceptions=True)

    async def _look_in(self, seconds: float, workflow: str) -> None:
        await asyncio.sleep(seconds)
        del self._later[workflow]
        try:
            await self._look(workflow)
        except NotReachable as away:
            logger.warning("%s; the intake looks at its next poll", away)

    async def _look(self, workflow: str) -> None:
        self._woken[workflow] = monotonic()
        try:
            handle = (await self._temporal()).get_workflow_handle(workflow)
            await handle.signal(SignalName.LOOK_NOW, "webhook", rpc_timeout=GRANT_WITHIN)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # removed a moment ago: there is nothing to wake
                raise NotReachable(f"Temporal did not take the request: {error.message}") from error

    async def _intakes(self, repository: str) -> dict[str, list[str]]:
        """`owner/name` → the workflows of its intakes, asked for now and then."""
        async with self._asking:
            good_for = KNOWN_FOR if repository in self._known else UNKNOWN_FOR
            if monotonic() - self._asked >= good_for.total_seconds():
                self._known = await self._running()
                self._asked = monotonic()
        return self._known

    async def _running(self) -> dict[str, list[str]]:
        prefix, found = intake_prefix(self._owner), dict[str, list[str]]()
        try:
            async for each in (await self._temporal()).list_workflows(
                f"WorkflowType = '{INTAKE}' AND ExecutionStatus = 'Running'", rpc_timeout=GRANT_WITHIN
            ):
                if each.id.startswith(prefix):
                    found.setdefault(each.id.removeprefix(prefix).partition("/")[2], []).append(each.id)
        except RPCError as error:
            raise NotReachable(f"Temporal did not say what is running: {error.message}") from error
        return found
