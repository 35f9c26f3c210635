"""What `watch` sees: the directives of an owner, or one, with what their agents do at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.service import RPCError

from cli.operator.json_shapes import TaskProgress
from domain import names
from domain.progress import Progress
from domain.view import DirectiveView
from steering.directives import Directives
from steering.recorded import SeenState, not_recorded_yet
from workflows.options import GRACE_BEYOND_LIMIT

DESCRIBED_WITHIN = timedelta(seconds=3)


@dataclass(frozen=True)
class WatchedDirective:
    """One directive at one moment."""

    look: SeenState[DirectiveView]
    progress: tuple[TaskProgress, ...] = ()

    @property
    def view(self) -> DirectiveView:
        return self.look.seen

    @property
    def rests(self) -> bool:
        """Nothing more is to be expected of it until somebody acts."""
        return bool(self.look.lost) or (self.look.live and self.view.status.rests)

    @property
    def wants_somebody(self) -> bool:
        """A plan waits for approval, or an agent for an answer; the rest may go on meanwhile."""
        return bool(self.view.proposal or self.view.questions)


class Watcher:
    """Looks again and again; what rests is asked only once its record has changed."""

    def __init__(self, directives: Directives) -> None:
        self._directives = directives
        self._known: set[UUID] = set()
        self._at_rest: dict[UUID, tuple[datetime, WatchedDirective]] = {}

    async def one(self, directive: UUID) -> WatchedDirective:
        """Raises NotReachable while a directive that was started a moment ago is not known yet."""
        look = await self._directives.look_at(directive)
        return WatchedDirective(look, await self._progress(look))

    async def all(self) -> list[WatchedDirective]:
        """All of the owner, those at work first, then the latest changed first; those that had ended before are left
        out. Raises NotReachable while one that was started a moment ago is not known yet.
        """
        found = []
        for summary in await self._directives.record.directives(self._directives.owner):
            if summary.status.is_final and summary.id not in self._known:
                continue
            self._known.add(summary.id)
            at, before = self._at_rest.get(summary.id, (None, None))
            seen = before if before and at == summary.updated_at else await self.one(summary.id)
            if seen.rests:
                self._at_rest[summary.id] = (summary.updated_at, seen)
            found.append(seen)
        if all(seen.rests for seen in found):  # else there is something to see, and the next look shows the others
            for workflow in await self._directives.unrecorded():
                raise not_recorded_yet(workflow)
        return sorted(found, key=lambda seen: seen.rests)

    async def _progress(self, look: SeenState[DirectiveView]) -> tuple[TaskProgress, ...]:
        if look.seen.status.rests or look.lost:
            return ()
        client = self._directives.client
        return await progress_of(client.get_workflow_handle(look.seen.workflow_id), client.data_converter)


async def progress_of(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> tuple[TaskProgress, ...]:
    """What a running directive's agents are doing, by the details of their heartbeats (rule 6.11), in no order; empty
    where Temporal does not tell: nothing depends on it.
    """
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
