"""What a directive's agents are doing at this moment: the details of their heartbeats (rule 6.11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.service import RPCError

from cli.operator.shown import TaskProgress
from domain import names
from domain.spawn_task import Progress
from workflows.options import GRACE_BEYOND_LIMIT

DESCRIBED_WITHIN = timedelta(seconds=3)


async def progress_of(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> tuple[TaskProgress, ...]:
    """Those of a running directive, in no order; empty where Temporal does not tell: nothing depends on it."""
    try:
        described = await handle.describe(rpc_timeout=DESCRIBED_WITHIN)
    except RPCError:
        return ()
    now = datetime.now(UTC)
    pending = described.raw_description.pending_activities
    found = [await _progress(each, converter, now) for each in pending if each.HasField("heartbeat_details")]
    return tuple(each for each in found if each)


async def _progress(info: PendingActivityInfo, converter: DataConverter, now: datetime) -> TaskProgress | None:
    task = names.activity_task(info.activity_id)
    if task is None:
        return None
    try:
        (told,) = await converter.decode(info.heartbeat_details.payloads, [Progress])
    except (ValidationError, ValueError):  # of a daemon of another version
        return None
    limit = info.activity_options.start_to_close_timeout.ToTimedelta() - GRACE_BEYOND_LIMIT
    started = info.last_started_time.ToDatetime(UTC)
    return TaskProgress(
        kind=task[0],
        task=task[1],
        daemon=told.daemon,
        phase=told.phase,
        last_line=told.last_line,
        seconds=max((now - started).total_seconds(), 0),
        limit_seconds=max(limit.total_seconds(), 0),
        delivery=info.attempt,
    )
