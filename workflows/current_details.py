"""The Web UI's current details (rule 9.2), rendered when somebody looks: as text of every workflow task's they were a
third of its time, and the server keeps nothing of them.
"""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.worker import (
    HandleQueryInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

with workflow.unsafe.imports_passed_through():
    from domain.models import State
    from domain.web_ui_details import details


class CurrentDetails(Interceptor):
    """Of DirectiveWorkflow; other workflows of the same worker say their own."""

    def workflow_interceptor_class(self, _: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return _WithDetails


class _WithDetails(WorkflowInboundInterceptor):
    async def handle_query(self, input: HandleQueryInput) -> Any:
        answer = await self.next.handle_query(input)
        state = getattr(workflow.instance(), "state", None)
        if isinstance(answer, WorkflowMetadata) and isinstance(state, State):
            answer.current_details = details(state)
        return answer
