"""Talking to directives: find one, ask where it stands, ask something of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError as UpdateTimedOut
from temporalio.common import QueryRejectCondition
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from cli.operator.connections import Record
from domain.errors import NotReachable, Refused
from domain.models import Answer, State
from domain.names import short
from domain.protocol import WORKFLOW
from domain.reports import DirectiveSummary
from domain.requests import Request
from domain.view import DirectiveView, view
from workflows.directive import DirectiveWorkflow
from workflows.state import OWNER

ANSWER_WITHIN = timedelta(seconds=3)
"""After this the record is shown in place of the workflow's own answer (rule 9.3)."""
GRANT_WITHIN = timedelta(seconds=15)
RUNNING = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus = 'Running'"
AS_IT_SHOULD = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)
"""How the workflow of a directive that is not lost may stand: it completes only when its final record is written."""

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """What was seen of a directive."""

    seen: T
    live: bool
    """The workflow itself said so, or the record, which is final; else the record as it was last written."""
    lost: str = ""
    """How its workflow ended, where that left the directive unfinished (rule 9.2)."""


class Directives:
    """An owner's directives, through their workflows and the record."""

    def __init__(self, client: Client, record: Record, owner: str, grant_within: timedelta = GRANT_WITHIN) -> None:
        self.client = client
        self.record = record
        self.owner = owner
        self._grant_within = grant_within

    async def find(self, reference: str) -> tuple[str, UUID | None]:
        """Workflow id and id of the directive that a uuid, a unique prefix of it, or a workflow's name means.

        The id is None while the record doesn't know it yet. Raises Refused where there is none, or more than one.
        """
        known = await self.record.directive_ids(self.owner, reference)
        if len(known) == 1:
            return (await self._summary(known[0])).workflow_id, known[0]
        running = [] if known else await self._find_running(reference)
        if len(running) == 1:
            return running[0], None
        if known or running:
            raise Refused(f"{reference!r} means more than one directive: give more of the id")
        raise Refused(f"there is no directive {reference!r}; `starter.py list` shows them all")

    async def until_known(self, workflow: str) -> None:
        """Wait until Temporal lists a new directive, so that the next command finds it (3 s at most)."""
        for _ in range(60):
            if await self._find_running(workflow):
                return
            await asyncio.sleep(0.05)

    async def unrecorded(self) -> list[str]:
        """The workflows of the owner's directives that run, but are not in the record yet."""
        recorded = {each.workflow_id for each in await self.record.directives(self.owner)}
        return [workflow for workflow in await self._running() if workflow not in recorded]

    async def recorded(self, reference: str) -> DirectiveSummary:
        """The record's line about a directive; Refused where the record doesn't know it."""
        _, identity = await self.find(reference)
        if identity is None:
            raise Refused(f"nothing is recorded of {reference!r} yet")
        return await self._summary(identity)

    async def recorded_state(self, reference: str) -> State:
        """Where it stood when it was last written; Refused where the record doesn't know it."""
        state = await self.record.state((await self.recorded(reference)).id)
        assert state is not None
        return state

    async def look(self, reference: str) -> Found[DirectiveView]:
        """Where it stands: from the workflow, else from the record (rule 9.3)."""
        return await self.look_at(*await self.find(reference))

    async def look_at(self, workflow: str, identity: UUID | None) -> Found[DirectiveView]:
        """The same of one that was found, or started a moment ago, before anything lists it."""
        return await self._look(workflow, identity, self._status, view)

    async def look_inside(self, reference: str) -> Found[State]:
        """Its whole state, found in the same way."""
        return await self._look(*await self.find(reference), self._state, lambda state: state)

    async def ask(self, reference: str, update: Any, request: Request, request_id: str) -> Answer:
        """Send a validated update; Refused with the workflow's own reason (rule 8.2)."""
        workflow, identity = await self.find(reference)
        try:
            answer: Answer = await self._handle(workflow).execute_update(
                update, request, id=request_id, rpc_timeout=self._grant_within
            )
            return answer
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            raise Refused(cause.message if isinstance(cause, ApplicationError) else str(cause)) from error
        except UpdateTimedOut as error:
            raise NotReachable(
                f"no worker has answered: is worker.py running? It may still be carried out when one comes; "
                f"to repeat it safely add --request-id {request_id}"
            ) from error
        except RPCError as error:
            if _is_unknown(error):
                raise Refused(await self._why_closed(workflow, identity)) from error
            raise NotReachable(f"Temporal did not take the request: {error.message}") from error

    async def lost(self, summaries: Iterable[DirectiveSummary]) -> dict[UUID, str]:
        """Directive → how its workflow ended, for those whose record is not final though nothing runs (rule 9.2)."""
        try:
            running = {each.id async for each in self.client.list_workflows(RUNNING)}
            # Visibility lags behind: what it doesn't show yet may have been started a moment ago.
            suspects = [each for each in summaries if not each.status.is_final and each.workflow_id not in running]
            found = {each.id: await self._how_it_ended(each.workflow_id) for each in suspects}
        except RPCError as error:
            raise NotReachable(f"Temporal did not say what is running: {error.message}") from error
        return {identity: how for identity, how in found.items() if how}

    async def _summary(self, identity: UUID) -> DirectiveSummary:
        return next(each for each in await self.record.directives(self.owner) if each.id == identity)

    async def _find_running(self, reference: str) -> list[str]:
        """For a directive so new that nothing has recorded it."""
        suffix = f"-{reference.replace('-', '')[:8]}"
        return [each for each in await self._running() if each == reference or each.endswith(suffix)]

    async def _running(self) -> list[str]:
        found = self.client.list_workflows(RUNNING)
        try:
            return [
                each.id async for each in found if each.typed_search_attributes.get(OWNER, self.owner) == self.owner
            ]
        except RPCError as error:
            raise NotReachable(f"Temporal did not say what is running: {error.message}") from error

    async def _look(
        self,
        workflow: str,
        identity: UUID | None,
        ask: Callable[[str], Awaitable[T]],
        of_state: Callable[[State], T],
    ) -> Found[T]:
        recorded = await self.record.state(identity) if identity else None
        if recorded and recorded.status.is_final:
            return Found(of_state(recorded), live=True)
        try:
            return Found(await ask(workflow), live=True)
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError, TimeoutError) as error:
            lost = await self._how_it_ended(workflow) if _is_closed(error) else ""
            recorded = await self.record.state(identity) if identity else None
            if recorded is None:
                raise NotReachable(
                    f"{workflow} has started, but no worker answers yet: is worker.py running?"
                ) from error
        return Found(of_state(recorded), live=recorded.status.is_final, lost=lost)

    async def _status(self, workflow: str) -> DirectiveView:
        return await self._handle(workflow).query(
            DirectiveWorkflow.status, rpc_timeout=ANSWER_WITHIN, reject_condition=QueryRejectCondition.NOT_OPEN
        )

    async def _state(self, workflow: str) -> State:
        return await self._handle(workflow).query(
            DirectiveWorkflow.state_now, rpc_timeout=ANSWER_WITHIN, reject_condition=QueryRejectCondition.NOT_OPEN
        )

    async def _how_it_ended(self, workflow: str) -> str:
        """`terminated`, `failed`, …; empty while it runs, and where it has ended as it should."""
        try:
            status = (await self._handle(workflow).describe()).status
        except RPCError as error:
            if _is_unknown(error):
                return "unknown to Temporal"
            raise
        return "" if status is None or status in AS_IT_SHOULD else status.name.lower().replace("_", " ")

    async def _why_closed(self, workflow: str, identity: UUID | None) -> str:
        recorded = await self.record.state(identity) if identity else None
        if recorded and not recorded.status.is_final:
            return f"{workflow} is lost: `starter.py recover {short(recorded.directive.id)}` goes on from the record"
        return f"{workflow} is closed"

    def _handle(self, workflow: str) -> WorkflowHandle[DirectiveWorkflow, Any]:
        return self.client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)


def _is_closed(error: Exception) -> bool:
    if isinstance(error, RPCError):
        return _is_unknown(error)
    return isinstance(error, WorkflowQueryRejectedError)


def _is_unknown(error: RPCError) -> bool:
    """Temporal knows no such workflow; NotReachable where it has not even the namespace, which proves nothing."""
    if error.status is RPCStatusCode.NOT_FOUND and error.message.startswith("Namespace"):
        raise NotReachable(f"Temporal says: {error.message} Set TEMPORAL_NAMESPACE to one that it has") from error
    return error.status is RPCStatusCode.NOT_FOUND
