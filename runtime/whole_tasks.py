"""A workflow is given what has happened by whole workflow tasks alone, as a replay will give it (decision 0035)."""

from __future__ import annotations

from typing import Any, cast

import temporalio.worker
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

REFUSED = "it came between two workflow tasks, to a worker that has just started: ask again"
_CHANGES_NOTHING = frozenset(("query_workflow", "remove_from_cache"))


class WholeTasks(WorkflowRunner):
    """Runs workflows as `inner` does, and refuses what the SDK gives them of a workflow task that has not begun.

    It does so for a query that a worker which does not know the run gets before the next workflow task: it replays the
    history whole, with the events that this task is for. What the workflow answers to them is kept for the task, and an
    update that comes with the task is accepted behind it. A replay takes the update first, and from then on each
    workflow task fails. Refused, the query fails (`REFUSED`), the SDK forgets the run, and the task gets all at once.
    """

    def __init__(self, inner: WorkflowRunner) -> None:
        self._inner = inner

    def prepare_workflow(self, defn: temporalio.workflow._Definition) -> None:
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return cast(WorkflowInstance, _Guarded(self._inner.create_instance(det)))

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        self._inner.set_worker_level_failure_exception_types(types)


class _Guarded:
    """A run in a worker's cache; all but its activations are the instance's own."""

    def __init__(self, instance: WorkflowInstance) -> None:
        self._instance = instance
        self._events = self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instance, name)

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        if self._has_not_begun(act):
            refused = WorkflowActivationCompletion(run_id=act.run_id)
            refused.failed.failure.message = REFUSED
            return refused
        self._events, self._bytes = act.history_length, act.history_size_bytes
        return self._instance.activate(act)

    def _has_not_begun(self, act: WorkflowActivation) -> bool:
        """There are new events, but none that begins a task: each of those says how large the history has become, and
        it only grows. 0: a server that doesn't say.
        """
        is_news = any(job.WhichOneof("variant") not in _CHANGES_NOTHING for job in act.jobs)
        has_grown = act.history_length > self._events > 0
        return is_news and not act.is_replaying and has_grown and 0 < act.history_size_bytes == self._bytes
