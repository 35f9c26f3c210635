"""Asking something of directives: their workflows, through Temporal."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError as UpdateTimedOut
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.lost_workflows import RUNNING, described, how_lost, why_stuck
from domain.errors import NotReachable, RecordError, Refused
from domain.models import Answer
from domain.names import short
from domain.reports import DirectiveSummary
from domain.requests import Request
from domain.search_attributes import SearchAttribute
from steering.connections import Record
from steering.recorded import RecordedDirectives, until_true
from workflows.attribute_keys import KEYS
from workflows.directive import DirectiveWorkflow

GRANT_WITHIN = timedelta(seconds=15)
RECORDED_WITHIN = timedelta(seconds=10)
"""An accepted change is in the record before its command returns, so that what is read next is true (rule 9.3)."""


class Directives(RecordedDirectives):
    """An owner's directives, through the record and their workflows."""

    def __init__(self, client: Client, record: Record, owner: str, grant_within: timedelta = GRANT_WITHIN) -> None:
        super().__init__(record, owner, unrecorded=self.find_running)
        self.client = client
        self._grant_within = grant_within

    async def until_known(self, directive: UUID) -> None:
        """Wait until the record knows a new directive, so that the next command finds it (3 s at most). It has been
        started all the same where the record can't be read, or has no tables yet.
        """

        async def known() -> bool:
            return await self.record.directive(self.owner, directive) is not None

        with suppress(NotReachable, RecordError):
            await until_true(known, timedelta(seconds=3))

    async def unrecorded(self) -> list[str]:
        """The workflows of the owner's directives that run, but are not in the record yet."""
        recorded = {each.workflow_id for each in await self.record.directives(self.owner)}
        return [workflow for workflow in await self._running() if workflow not in recorded]

    async def ask(self, reference: str, update: Any, request: Request, request_id: str) -> tuple[Answer, bool]:
        """Send a validated update, and wait until the record holds what it led to: whether it does; Refused with the
        workflow's own reason (rule 8.2).
        """
        found = await self.find(reference)
        answer = await self._granted(found, update, request, request_id)

        async def recorded() -> bool:
            return await self.record.is_answered(found.id, request_id)

        held = False
        with suppress(NotReachable, RecordError):  # it is accepted all the same: an error would have it sent again
            held = await until_true(recorded, RECORDED_WITHIN)
        return answer, held

    async def _granted(self, found: DirectiveSummary, update: Any, request: Request, request_id: str) -> Answer:
        try:
            answer: Answer = await self._handle(found.workflow_id).execute_update(
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
                raise Refused(await self._why_closed(found)) from error
            raise NotReachable(f"Temporal did not take the request: {error.message}") from error

    async def lost(self, summaries: Iterable[DirectiveSummary]) -> dict[UUID, str]:
        """Directive → how its workflow ended, for those whose record is not final though nothing runs (rule 9.2)."""
        try:
            running = {each.id async for each in self.client.list_workflows(RUNNING)}
            # Visibility lags behind: what it doesn't show yet may have been started a moment ago.
            suspects = [each for each in summaries if not each.status.is_final and each.workflow_id not in running]
            found = {each.id: how_lost(await described(self.client, each.workflow_id)) for each in suspects}
        except RPCError as error:
            raise NotReachable(f"Temporal did not say what is running: {error.message}") from error
        return {identity: how for identity, how in found.items() if how}

    async def is_stuck(self, workflow: str) -> bool:
        """Whether it runs, and can't go on: each of its workflow tasks fails."""
        try:
            return bool(why_stuck(await self._handle(workflow).describe()))
        except RPCError as error:
            if _is_unknown(error):
                return False
            raise NotReachable(f"Temporal did not say how {workflow} is: {error.message}") from error

    async def find_running(self, reference: str) -> list[str]:
        """For a directive so new that nothing has recorded it."""
        suffix = f"-{reference.replace('-', '')[:8]}"
        return [each for each in await self._running() if each == reference or each.endswith(suffix)]

    async def _running(self) -> list[str]:
        found = self.client.list_workflows(RUNNING)
        try:
            return [
                each.id
                async for each in found
                if each.typed_search_attributes.get(KEYS[SearchAttribute.OWNER], self.owner) == self.owner
            ]
        except RPCError as error:
            raise NotReachable(f"Temporal did not say what is running: {error.message}") from error

    async def _why_closed(self, found: DirectiveSummary) -> str:
        now = await self.record.directive(self.owner, found.id)
        if now and not now.status.is_final:
            return f"{now.workflow_id} is lost: `starter.py recover {short(now.id)}` goes on from the record"
        return f"{found.workflow_id} is closed"

    def _handle(self, workflow: str) -> WorkflowHandle[DirectiveWorkflow, Any]:
        return self.client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)


def _is_unknown(error: RPCError) -> bool:
    """Temporal knows no such workflow; NotReachable where it has not even the namespace, which proves nothing."""
    if error.status is RPCStatusCode.NOT_FOUND and error.message.startswith("Namespace"):
        raise NotReachable(f"Temporal says: {error.message} Set TEMPORAL_NAMESPACE to one that it has") from error
    return error.status is RPCStatusCode.NOT_FOUND
