"""What a directive, a step and a task may be (rules 2 to 4), and what kinds of tasks there are (rule 1)."""

from __future__ import annotations

from enum import StrEnum


class DirectiveStatus(StrEnum):
    DRAFT = "draft"
    PLANNING = "planning"
    ACTIVE = "active"
    COMPLETING = "completing"
    IDLE = "idle"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    ARCHIVED = "archived"

    @property
    def is_final(self) -> bool:
        """The workflow is closed, or closes as soon as nothing runs any more (rule 2.9)."""
        return self in _FINAL

    @property
    def rests(self) -> bool:
        """Nothing more is to be expected of the directive until somebody acts."""
        return self in _FINAL or self in _AT_REST


class StepStatus(StrEnum):
    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    MERGED = "merged"

    @property
    def satisfies(self) -> bool:
        """A dependent step may start (rule 4.1)."""
        return self in _SATISFYING

    @property
    def is_finished(self) -> bool:
        """It will not run again by itself."""
        return self in _SATISFYING or self in _ENDED

    @property
    def is_unstarted(self) -> bool:
        """What it depends on may still be changed."""
        return self in _UNSTARTED


class TaskStatus(StrEnum):
    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    MERGED = "merged"

    @property
    def is_live(self) -> bool:
        """It holds or will hold a place on a daemon."""
        return self in LIVE


class TaskKind(StrEnum):
    PREPARE = "prepare"
    PLANNING = "planning"
    STEP = "step"
    COMPLETION = "completion"


# Asked of each task and step in every workflow task: a member that is looked up by another one is a call of its own.
_FINAL = frozenset((DirectiveStatus.COMPLETED, DirectiveStatus.FAILED, DirectiveStatus.ARCHIVED))
_AT_REST = frozenset((DirectiveStatus.DRAFT, DirectiveStatus.IDLE, DirectiveStatus.PAUSED))
_SATISFYING = frozenset((StepStatus.COMPLETED, StepStatus.SKIPPED, StepStatus.MERGED))
_ENDED = frozenset((StepStatus.FAILED, StepStatus.CANCELLED))
_UNSTARTED = frozenset((StepStatus.PENDING, StepStatus.READY, StepStatus.BLOCKED))
LIVE = frozenset((TaskStatus.PENDING, TaskStatus.STARTING, TaskStatus.RUNNING, TaskStatus.WAITING))
"""The statuses of a task that `is_live`."""


class SandboxKind(StrEnum):
    """How a daemon keeps its agents apart from the machine (docs/sandbox.md)."""

    BUBBLEWRAP = "bubblewrap"
    NONE = "none"
    """Not at all, as its settings say."""
    MISSING = "missing"
    """It should, and can't: it serves no agent. The reason follows."""
