"""Workflows that have ended before their time, or can't go on (rule 9.2), noted in the record for readers without
Temporal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import NotReachable
from domain.protocol import WORKFLOW

LOOK_EVERY = timedelta(seconds=10)
LOOK_AT = 50
"""So many are described in one look, in turn: Temporal may know nothing of them any more. Counting those that run would
not tell, since a workflow of another record may run there, too; describing all of them every time would cost the
server more than their work.
"""
ENDED_LATELY = timedelta(minutes=10)
"""By two machines' clocks, and what lists workflows lags behind."""

RUNNING = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus = 'Running'"
ENDED = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')"
AS_IT_SHOULD = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)
"""How the workflow of a directive that is not lost may stand: it completes only when its final record is written."""
PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
"""Temporal's own: it is there while a workflow's tasks end badly one after the other."""
TASK_FAILED = "category=WorkflowTaskFailed"
"""Not those that timed out: a worker that was killed or is slow does that, and the next one goes on."""
CAUSE = "cause=WorkflowTaskFailedCause"


class Checks(Protocol):
    """What is noted in the record; every method raises NotReachable and RecordError."""

    async def unfinished(self) -> Mapping[str, str]:
        """The workflow of each directive that has not ended → how it was lost, as far as is noted."""
        ...

    async def clock(self) -> datetime:
        """The record's own time."""
        ...

    async def note(self, ends: Mapping[str, str], looked_at: datetime) -> None:
        """Note a look that began at `looked_at`: workflow → how it was lost, "" where it runs."""
        ...


class LostWorkflows:
    """Looks at what has ended lately, and at everything in turn."""

    def __init__(self, client: Client, checks: Checks) -> None:
        self._client = client
        self._checks = checks
        self._last = ""
        """The workflow that was described last: the next turn begins behind it."""

    async def look(self) -> None:
        """Note what has changed. Raises NotReachable and RecordError: look again."""
        try:
            await self._look()
        except RPCError as error:
            raise NotReachable(f"Temporal did not say what is running: {error.message}") from error

    async def _look(self) -> None:
        looked_at = await self._checks.clock()
        unfinished = await self._checks.unfinished()
        suspects = await self._ended_lately(unfinished) | set(self._next_in_turn(unfinished))
        ends = {workflow: await how_lost(self._client, workflow) for workflow in suspects}
        await self._checks.note({each: how for each, how in ends.items() if how != unfinished[each]}, looked_at)

    def _next_in_turn(self, unfinished: Iterable[str]) -> list[str]:
        ordered = sorted(unfinished)
        begin = bisect_right(ordered, self._last)
        turn = (ordered[begin:] + ordered[:begin])[:LOOK_AT]
        self._last = turn[-1] if turn else ""
        return turn

    async def _ended_lately(self, unfinished: Mapping[str, str]) -> set[str]:
        since = datetime.now(UTC) - ENDED_LATELY
        ended = self._client.list_workflows(f"{ENDED} AND CloseTime > '{since.isoformat()}'")
        return {each.id async for each in ended} & unfinished.keys()


async def how_lost(client: Client, workflow: str) -> str:
    """`terminated`, `failed`, …, or why it is stuck; empty while it goes on, and where it has ended as it should.
    Raises RPCError.
    """
    try:
        told = await client.get_workflow_handle(workflow).describe()
    except RPCError as error:
        # A namespace that is not there proves nothing.
        if error.status is RPCStatusCode.NOT_FOUND and not error.message.startswith("Namespace"):
            return "unknown to Temporal"
        raise
    if told.status is None or told.status in AS_IT_SHOULD:
        return why_stuck(told)
    return told.status.name.lower().replace("_", " ")


def why_stuck(told: WorkflowExecutionDescription) -> str:
    """Why a workflow that runs can't go on: each of its tasks fails, on whatever worker there is; else empty."""
    problems = told.typed_search_attributes.get(PROBLEMS, ())
    if told.status is not WorkflowExecutionStatus.RUNNING or TASK_FAILED not in problems:
        return ""
    causes = [each.removeprefix(CAUSE) for each in problems if each.startswith(CAUSE)]
    return f"its workflow tasks fail ({', '.join(causes) or 'no cause was given'})"
