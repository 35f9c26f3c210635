"""What `watch` sees: the directives of an owner, or one, with what their agents do at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cli.operator.directives import Directives, Look
from cli.operator.progress import TaskProgress, progress_of
from domain.models import DirectiveStatus
from domain.view import DirectiveView

RESTING = (DirectiveStatus.DRAFT, DirectiveStatus.IDLE, DirectiveStatus.PAUSED)


@dataclass(frozen=True)
class Seen:
    """One directive at one moment."""

    look: Look[DirectiveView]
    progress: tuple[TaskProgress, ...] = ()

    @property
    def view(self) -> DirectiveView:
        return self.look.seen

    @property
    def rests(self) -> bool:
        """Nothing more is to be expected of it until somebody acts."""
        return bool(self.look.lost) or (self.look.live and rests(self.view.status))


def rests(status: DirectiveStatus) -> bool:
    return status.is_final or status in RESTING


class Watcher:
    """Looks again and again; what rests is asked only once its record has changed."""

    def __init__(self, directives: Directives) -> None:
        self._directives = directives
        self._known: set[UUID] = set()
        self._at_rest: dict[UUID, tuple[datetime, Seen]] = {}

    async def one(self, workflow: str, identity: UUID | None) -> Seen:
        """Raises NotReachable while a directive that was started a moment ago is not known yet."""
        look = await self._directives.look_at(workflow, identity)
        return Seen(look, await self._progress(workflow, look))

    async def all(self) -> list[Seen]:
        """All of the owner, those at work first, then the latest changed first; those that had ended before are left
        out.
        """
        found = []
        for summary in await self._directives.record.directives(self._directives.owner):
            if summary.status.is_final and summary.id not in self._known:
                continue
            self._known.add(summary.id)
            at, before = self._at_rest.get(summary.id, (None, None))
            seen = before if before and at == summary.updated_at else await self.one(summary.workflow_id, summary.id)
            if seen.rests:
                self._at_rest[summary.id] = (summary.updated_at, seen)
            found.append(seen)
        return sorted(found, key=lambda seen: seen.rests)

    async def _progress(self, workflow: str, look: Look[DirectiveView]) -> tuple[TaskProgress, ...]:
        if rests(look.seen.status) or look.lost:
            return ()
        client = self._directives.client
        return await progress_of(client.get_workflow_handle(workflow), client.data_converter)
