"""Workflows that have ended before their time, or can't go on (rule 9.2), noted in the record for readers without
Temporal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pydantic import ValidationError
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from activities.pull_requests import NOTHING_NEW
from domain import names
from domain.errors import NotReachable
from domain.progress import Progress
from domain.protocol import WORKFLOW
from domain.reports import WorkflowNoted
from domain.visible import visible

LOOK_EVERY = timedelta(seconds=10)
LOOK_AT = 50
"""So many are described in one look, in turn: Temporal may know nothing of them any more. Counting those that run would
not tell, since a workflow of another record may run there, too; describing all of them every time would cost the
server more than their work.
"""
SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
WHY_LIMIT = 200
"""Characters."""
NOTHING_SAID = Progress(daemon="", delivery="", phase="")
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

    async def unfinished(self) -> Mapping[str, WorkflowNoted]:
        """The workflow of each directive that has not ended → what is noted of it."""
        ...

    async def clock(self) -> datetime:
        """The record's own time."""
        ...

    async def note(self, seen: Mapping[str, WorkflowNoted], looked_at: datetime) -> None:
        """Note a look that began at `looked_at`, by workflow."""
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
        seen = {workflow: await self._seen(workflow) for workflow in suspects}
        await self._checks.note({each: noted for each, noted in seen.items() if noted != unfinished[each]}, looked_at)

    async def _seen(self, workflow: str) -> WorkflowNoted:
        told = await described(self._client, workflow)
        if lost := how_lost(told):
            return WorkflowNoted(lost=lost)
        return await waits(told, self._client.data_converter) if told else WorkflowNoted()

    def _next_in_turn(self, unfinished: Iterable[str]) -> list[str]:
        ordered = sorted(unfinished)
        begin = bisect_right(ordered, self._last)
        turn = (ordered[begin:] + ordered[:begin])[:LOOK_AT]
        self._last = turn[-1] if turn else ""
        return turn

    async def _ended_lately(self, unfinished: Mapping[str, WorkflowNoted]) -> set[str]:
        since = datetime.now(UTC) - ENDED_LATELY
        ended = self._client.list_workflows(f"{ENDED} AND CloseTime > '{since.isoformat()}'")
        return {each.id async for each in ended} & unfinished.keys()


async def described(client: Client, workflow: str) -> WorkflowExecutionDescription | None:
    """What Temporal knows of it; None: nothing. Raises RPCError."""
    try:
        return await client.get_workflow_handle(workflow).describe()
    except RPCError as error:
        # A namespace that is not there proves nothing.
        if error.status is RPCStatusCode.NOT_FOUND and not error.message.startswith("Namespace"):
            return None
        raise


def how_lost(told: WorkflowExecutionDescription | None) -> str:
    """`terminated`, `failed`, …, or why it is stuck; empty while it goes on, and where it has ended as it should."""
    if told is None:
        return "unknown to Temporal"
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


async def waits(told: WorkflowExecutionDescription, converter: DataConverter) -> WorkflowNoted:
    """Why what it does fails and is tried again, and when: by its daemon, as its last heartbeat says, or else by
    Temporal. By the first 8 hex digits of a task's id, and by what is done beside the tasks.
    """
    held_up: dict[str, str] = {}
    again: dict[str, datetime] = {}
    if told.status is WorkflowExecutionStatus.RUNNING:
        for pending in told.raw_description.pending_activities:
            task = names.activity_task(pending.activity_id)
            if key := task[1] if task else names.beside_tasks(pending.activity_id):
                said = await _says(pending, converter) if task else NOTHING_SAID
                why, at = (said.held_up, said.again) if said.held_up else _failing(pending)
                held_up |= {key: visible(" ".join(why.split()))[:WHY_LIMIT]} if why else {}
                again |= {key: at} if at else {}
    return WorkflowNoted(held_up=held_up, again=again)


def _failing(pending: PendingActivityInfo) -> tuple[str, datetime | None]:
    """Why Temporal tries it again, and when. A look that has seen nothing new fails, too: so it waits (design 11)."""
    # Temporal tells the failure of the delivery before also while the next one runs.
    if pending.state != SCHEDULED or not pending.HasField("last_failure"):
        return "", None
    at = pending.scheduled_time.ToDatetime(UTC) if pending.HasField("scheduled_time") else None
    return pending.last_failure.message.removeprefix(NOTHING_NEW), at


async def _says(pending: PendingActivityInfo, converter: DataConverter) -> Progress:
    if not pending.HasField("heartbeat_details"):
        return NOTHING_SAID
    try:
        (told,) = await converter.decode(pending.heartbeat_details.payloads, [Progress])
    except (ValidationError, ValueError):  # of a daemon of another version
        return NOTHING_SAID
    return Progress.model_validate(told)
