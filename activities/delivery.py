"""A delivery as Temporal sees it: the activity's own heartbeat, signal and fresh check, behind domain's Delivery."""

from __future__ import annotations

import contextvars
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    AsyncActivityCancelledError,
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from domain import names
from domain.errors import AttemptGone, NotReachable
from domain.models import Question
from domain.progress import Progress, used_by
from domain.protocol import QueryName, SignalName
from domain.spawn_task import Outcome, SpawnTask, TaskStarted
from domain.usage import Usage

ANSWER_WITHIN = timedelta(seconds=10)
"""A directive without a worker answers no query; its daemon asks again."""


class TemporalDelivery:
    """The delivery that the current activity is."""

    def __init__(self, client: Client, command: SpawnTask, daemon: str) -> None:
        self._client = client
        self._command = command
        self._daemon = daemon
        self._info = activity.info()
        # Heartbeats may come from work that began in the activity of an earlier delivery.
        self._activity = contextvars.copy_context()
        run_id = self._info.workflow_run_id or ""
        self.left: Outcome | None = None
        """How the attempt stands, where it was stopped before its end."""
        self._told: Sequence[Any] = self._info.heartbeat_details
        self.used_before = used_by(self._told)
        self._name = names.delivery(run_id, self._info.activity_id, self._info.attempt)

    @property
    def name(self) -> str:
        return self._name

    @property
    def run(self) -> str:
        return self._info.workflow_run_id or ""

    def beat(self, progress: Progress) -> None:
        self._told = [progress]
        self._activity.run(activity.heartbeat, progress)

    @property
    def used(self) -> Usage:
        """By the attempt until its last heartbeat."""
        return used_by(self._told)

    def leaves(self, outcome: Outcome) -> None:
        self.left = outcome

    @property
    def was_called_back(self) -> bool:
        """Its directive has cancelled it, and still waits for how it ends."""
        why = self._activity.run(activity.cancellation_details)
        return why is not None and why.cancel_requested and not why.not_found

    @property
    def successor_within(self) -> float:
        why = self._activity.run(activity.cancellation_details)
        is_lost = why is not None and (why.not_found or why.timed_out) and not why.cancel_requested
        return (self._info.heartbeat_timeout or timedelta()).total_seconds() if is_lost else 0

    async def may_have_successor(self) -> bool:
        try:
            told = await self._directive().describe(rpc_timeout=ANSWER_WITHIN)
        except RPCError as error:
            return error.status is not RPCStatusCode.NOT_FOUND
        if told.status is not WorkflowExecutionStatus.RUNNING:
            return False  # what is closed may still list what was pending
        pending = told.raw_description.pending_activities
        return any(self._may_come_here(each) for each in pending if each.activity_id == self._info.activity_id)

    def _may_come_here(self, pending: PendingActivityInfo) -> bool:
        state, here = pending.state, self._client.identity
        is_elsewhere = (
            state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED and pending.last_worker_identity != here
        )
        return state != PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED and not is_elsewhere

    async def started(self, delivery: str) -> None:
        signal = TaskStarted(
            name=self._command.name,
            task=self._command.task,
            attempt=self._command.attempt,
            delivery=delivery,
            daemon=self._daemon,
        )
        try:
            await self._directive().signal(SignalName.TASK_STARTED, signal)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # the directive is closed: the next heartbeat tells
                raise NotReachable(f"the directive was not told of the start: {error.message}") from error

    async def ask(self, question: Question) -> None:
        try:
            await self._directive().signal(SignalName.QUESTION_ASKED, question, rpc_timeout=ANSWER_WITHIN)
        except RPCError as error:
            raise NotReachable(f"the directive did not take a question: {error.message}") from error

    async def answers(self) -> tuple[Question, ...]:
        try:
            asked: list[Question] = await self._directive().query(
                QueryName.QUESTIONS_OF, self._command.task, result_type=list[Question], rpc_timeout=ANSWER_WITHIN
            )
        except (RPCError, WorkflowQueryFailedError) as error:
            raise NotReachable(f"the directive did not tell its answers: {error}") from error
        return tuple(asked)

    def _directive(self) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(self._info.workflow_id or "", run_id=self._info.workflow_run_id)

    async def confirm(self) -> None:
        # activity.heartbeat() is throttled and proves nothing; this is a plain RPC (design 9).
        handle = self._client.get_async_activity_handle(task_token=self._info.task_token)
        try:
            await handle.heartbeat(*self._told)  # without them the next delivery would be told of none
        except AsyncActivityCancelledError as error:
            raise AttemptGone("the attempt was called back") from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise AttemptGone("the attempt was given to another delivery") from error
            raise NotReachable(f"Temporal does not say whose the attempt is: {error.message}") from error
