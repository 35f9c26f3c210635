"""Where a directive stands, with who works on it and who may serve what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.queues import Queue
    from domain.reports import DaemonSeen
    from domain.spending import AttemptSpent
    from domain.view import DirectiveView
    from steering.recorded import SeenState


@dataclass(frozen=True)
class Standing:
    look: SeenState[DirectiveView]
    daemons: Sequence[DaemonSeen]
    """All of the owner's."""
    page: str | None
    """In the Web UI, where its address is known."""
    running: Sequence[AttemptSpent] = ()
    """Its attempts that run."""


def waiting_note(shown: DirectiveView, daemons: Sequence[DaemonSeen]) -> str:
    """Said when something waits for a daemon: where, who may serve it there, with how many free slots (rule 4.4)."""
    return "; ".join(_queue_note(queue, shown.owner, daemons) for queue in shown.queues)


def _queue_note(queue: Queue, owner: str, daemons: Sequence[DaemonSeen]) -> str:
    serving = [
        each for each in daemons if each.reported_lately and queue.is_served_by(each.name, each.labels, each.features)
    ]
    who = f" {queue.daemon!r}" if queue.daemon else f" with label {queue.label!r}" if queue.label else ""
    if serving:
        lately = ", ".join(f"{each.name} ({each.free} of {each.capacity} slots free)" for each in serving)
        return f"waits on queue {queue.name}; daemons{who} that have reported lately: {lately}"
    how = f"`labels = ['{queue.label}']` in its settings" if queue.label else "`python -m daemon`"
    return (
        f"waits on queue {queue.name}: no daemon{who} of owner {owner!r} has reported in the last 90 s. "
        f"Start one with {how}; the directive goes on by itself."
    )


def sandbox_notes(daemons: Sequence[DaemonSeen]) -> list[str]:
    """What is to be known of those daemons at work whose agents are in no sandbox (docs/sandbox.md)."""
    return [each.unboxed for each in daemons if each.reported_lately and each.unboxed]
