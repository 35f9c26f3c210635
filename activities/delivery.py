"""A delivery as Temporal sees it: the activity's own heartbeat, signal and fresh check, behind domain's Delivery."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError, Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from domain import names
from domain.errors import AttemptGone, NotReachable
from domain.models import Question
from domain.protocol import QueryName, SignalName
from domain.spawn_task import Progress, SpawnTask, TaskStarted

ANSWER_WITHIN = timedelta(seconds=10)
"""A directive without a worker answers no query; its daemon asks again."""


class TemporalDelivery:
    """The delivery that the current activity is."""

    def __init__(self, client: Client, command: SpawnTask, daemon: str) -> None:
        self._client = client
        self._command = command
        self._daemon = daemon
        self._info = activity.info()
        run_id = self._info.workflow_run_id or ""
        self._name = names.delivery(run_id, self._info.activity_id, self._info.attempt)

    @property
    def name(self) -> str:
        return self._name

    @property
    def run(self) -> str:
        return self._info.workflow_run_id or ""

    def beat(self, progress: Progress) -> None:
        activity.heartbeat(progress)

    async def started(self) -> None:
        signal = TaskStarted(
            name=self._command.name,
            task=self._command.task,
            attempt=self._command.attempt,
            delivery=self._name,
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
            await handle.heartbeat()
        except AsyncActivityCancelledError as error:
            raise AttemptGone("the attempt was called back") from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise AttemptGone("the attempt was given to another delivery") from error
            raise NotReachable(f"Temporal does not say whose the attempt is: {error.message}") from error
