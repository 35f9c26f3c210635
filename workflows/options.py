"""How long anything may take and how often it is tried: all timeouts and retry policies of the workflow (design 12)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType

from domain import names
from domain.directive_settings import Settings
from domain.models import State, Task
from domain.protocol import ErrorType
from domain.pull_request import Watch
from domain.queues import holder_of, prefix_of, queue_of
from domain.statuses import TaskKind
from domain.tidied import Tidying

GRACE_BEYOND_LIMIT = timedelta(minutes=30)
"""The daemon keeps a task's limit itself and returns; Temporal's own timeout, which it would retry, comes later."""

LONGEST_SLEEP = timedelta(days=365)
"""Of a timer: for who waits longer there is another one."""

PRIORITY = {TaskKind.PREPARE: 1, TaskKind.PLANNING: 1, TaskKind.COMPLETION: 2, TaskKind.STEP: 3}
"""The planner before steps (rule 5.1)."""


def daemon_activity(state: State, task: Task, chosen: str) -> dict[str, Any]:
    """The options of the activity that runs a task's attempt, on any daemon of the owner or on the `chosen` one."""
    settings = state.directive.settings
    owner = state.directive.owner
    timings = settings.timings
    queue = names.daemon_queue(owner, chosen, prefix_of(state, task)) if chosen else queue_of(state, task).name
    limit = {TaskKind.STEP: timings.step_limit, TaskKind.COMPLETION: timings.completion_limit}
    return {
        "activity_id": names.activity_id(task.kind, task.id, task.attempt, task.dispatch),
        "task_queue": queue,
        "schedule_to_start_timeout": timings.schedule_to_start if task.refusals or holder_of(task) else None,
        "summary": names.step_name_line(state.steps[task.step].name if task.step else task.name),
        "start_to_close_timeout": limit.get(task.kind, timings.planning_limit) + GRACE_BEYOND_LIMIT,
        "heartbeat_timeout": timings.heartbeat,
        "retry_policy": _deliveries(settings),
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        "priority": Priority(priority_key=PRIORITY[task.kind]),
    }


def _deliveries(settings: Settings) -> RetryPolicy:
    """A lost daemon's attempt is delivered again; an outcome that is too large would be for ever (design 5)."""
    return RetryPolicy(
        initial_interval=settings.timings.redelivery,
        maximum_interval=timedelta(minutes=1),
        maximum_attempts=settings.max_deliveries,
        non_retryable_error_types=[ErrorType.PAYLOADS_TOO_LARGE],
    )


def watch_activity(watch: Watch, number: int) -> dict[str, Any]:
    """The options of the `number`-th watch of a run: it polls by failing, for as long as it takes (design 11)."""
    return {
        "activity_id": f"{names.WATCH}-{watch.pull_request.number}-{number}",
        "task_queue": names.light_queue(watch.owner),
        "summary": f"pull request #{watch.pull_request.number}",
        "start_to_close_timeout": timedelta(minutes=5),
        "heartbeat_timeout": watch.heartbeat,
        "retry_policy": RetryPolicy(initial_interval=watch.every, maximum_interval=watch.at_most),
        # What a poll finds after it was called off is read again by the next one: nobody has to wait for it.
        "cancellation_type": ActivityCancellationType.TRY_CANCEL,
    }


def tidy_activity(tidying: Tidying, number: int) -> dict[str, Any]:
    """The options of tidying up: worth some tries, and no more than that."""
    return {
        "activity_id": f"{names.TIDY}-{number}",
        "task_queue": names.light_queue(tidying.owner),
        "summary": "delete merged branches",
        "start_to_close_timeout": timedelta(minutes=10),
        "heartbeat_timeout": timedelta(seconds=60),
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=10), maximum_attempts=10
        ),
        "cancellation_type": ActivityCancellationType.TRY_CANCEL,
    }


PICK_DAEMON: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=10),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)),
    "summary": "pick another daemon",
}

FIND_OUTCOME: dict[str, Any] = {
    **PICK_DAEMON,
    # Without an end: then nobody knows whether the work is done, and a person decides.
    "retry_policy": replace(PICK_DAEMON["retry_policy"], non_retryable_error_types=[ErrorType.ROW_BROKEN]),
    "summary": "ask the record for the attempt's end",
}

FIND_STEPS_DONE: dict[str, Any] = {
    **PICK_DAEMON,
    # Planning without them is better than no planning: with the record away it begins all the same.
    "schedule_to_close_timeout": timedelta(seconds=30),
    "summary": "ask the record what steps cost here",
}

FIND_RATES: dict[str, Any] = {**FIND_STEPS_DONE, "summary": "ask the record what agents cost here"}

RECORD_PROGRESS: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)),
}
"""A Postgres outage is a visible retry without end (design 3)."""

RECORD_WITHIN_TASK: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=2),
    "retry_policy": RetryPolicy(maximum_attempts=1),
}
"""A write within a workflow task, which waits for it (docs/decisions/0070)."""

BETWEEN_WRITES = timedelta(milliseconds=200)
"""How far apart the writes of one directive are at least; what changes meanwhile shares the next one (design 3)."""
WRITES_SHARE = 10
"""They are further apart where a write takes long: this many times as long."""
LONGEST_BETWEEN_WRITES = timedelta(seconds=5)
"""And no further; what somebody waits for is written at once (docs/decisions/0033-writes-that-ride-along.md)."""

BY_WORKER: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
}
"""What an intake and a schedule's firing let a worker do: an outage of Postgres or Temporal is waited for, and nothing
passed over."""
