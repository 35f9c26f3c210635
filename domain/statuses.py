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
        return self in (self.COMPLETED, self.FAILED, self.ARCHIVED)

    @property
    def rests(self) -> bool:
        """Nothing more is to be expected of the directive until somebody acts."""
        return self.is_final or self in (self.DRAFT, self.IDLE, self.PAUSED)


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
        return self in (self.COMPLETED, self.SKIPPED, self.MERGED)

    @property
    def is_finished(self) -> bool:
        """It will not run again by itself."""
        return self.satisfies or self in (self.FAILED, self.CANCELLED)

    @property
    def is_unstarted(self) -> bool:
        """What it depends on may still be changed."""
        return self in (self.PENDING, self.READY, self.BLOCKED)


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
        return self in (self.PENDING, self.STARTING, self.RUNNING, self.WAITING)


class TaskKind(StrEnum):
    PREPARE = "prepare"
    PLANNING = "planning"
    STEP = "step"
    COMPLETION = "completion"
