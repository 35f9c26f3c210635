"""The names of events: who writes the record, who sends notices and who counts, all mean these words."""

from __future__ import annotations

from enum import StrEnum


class EventName(StrEnum):
    """What an event says has happened (`Event.what`); a word that was recorded once keeps its meaning for ever."""

    DIRECTIVE_STARTED = "directive started"
    DIRECTIVE_PLANNING = "directive planning"
    DIRECTIVE_ACTIVE = "directive active"
    DIRECTIVE_COMPLETING = "directive completing"
    DIRECTIVE_IDLE = "directive idle"
    DIRECTIVE_PAUSED = "directive paused"
    DIRECTIVE_RESUMED = "directive resumed"
    DIRECTIVE_COMPLETED = "directive completed"
    DIRECTIVE_FAILED = "directive failed"
    DIRECTIVE_ARCHIVED = "directive archived"
    DIRECTIVE_EDITED = "directive edited"
    BUDGET_NEARLY_USED = "budget nearly used"
    BASE_CHANGED = "base branch changed"
    SECRET_RENEWED = "secret renewed"  # noqa: S105 (what happened, not what it is)

    GOAL_CHANGED = "goal changed"
    REPLAN_REQUESTED = "re-plan asked for"
    PLAN_PROPOSED = "plan proposed"
    PLAN_APPROVED = "plan approved"
    PLAN_REJECTED = "plan rejected"
    PLANNED = "planned"
    REMOVAL_DROPPED = "removal dropped"
    DEPENDENCIES_SET = "dependencies set"
    DEPENDENCIES_DROPPED = "dependencies dropped"

    STEP_ADDED = "step added"
    STEP_EDITED = "step edited"
    STEP_REMOVED = "step removed"
    STEP_RETRIED = "step retried"
    STEP_SKIPPED = "step skipped"
    STEP_BLOCKED = "step blocked"
    STEP_CANCELLED = "step cancelled"
    STEP_COMPLETED = "step completed"
    STEP_COMPLETED_BY_HAND = "step completed by hand"
    STEP_FAILED = "step failed"
    STEP_FAILED_BY_HAND = "step failed by hand"

    TASK_STARTED = "task started"
    TASK_WAITS = "task waits"
    TASK_REFUSED = "task refused"
    AGENT_REPLACED = "agent replaced"
    """The next one of the list goes on with a task (rule 5.9)."""
    TASK_CALLED_BACK = "task called back"
    ATTEMPT_FAILED = "attempt failed"
    ATTEMPT_WARNS = "attempt warns"
    OUTCOME_REFUSED = "outcome refused"
    STATE_NOT_VERIFIED = "state not verified"

    QUESTION_ASKED = "question asked"
    QUESTION_ANSWERED = "question answered"
    MEMORY_SET = "memory set"
    MEMORY_DELETED = "memory deleted"
    MEMORY_DROPPED = "memory dropped"

    BRANCH_PUSHED = "branch pushed"
    PULL_REQUEST_PUSHED = "pull request pushed"
    PULL_REQUEST_DRAFT = "pull request draft"
    PULL_REQUEST_OPEN = "pull request open"
    PULL_REQUEST_MERGED = "pull request merged"
    PULL_REQUEST_CLOSED = "pull request closed"
    PULL_REQUEST_MOVED = "pull request moved"
    PULL_REQUEST_SET = "pull request set"
    PULL_REQUEST_CLAIMED = "pull request named by an agent"
    """It is taken over only if it comes from the directive's own branch, by whoever opens the next one."""
    PULL_REQUEST_POKED = "pull request poked"
    PULL_REQUEST_NOT_WATCHED = "pull request not watched"
    NOT_HEARD = "not heard"
    """Whose words about the pull request don't count, and why."""
    TALK_LEFT = "earlier talk left alone"
    """What people had said about a pull request by the time that an operator handed it over."""
    NOT_MERGED = "not merged"
    BRANCHES_DELETED = "merged branches deleted"
    BRANCHES_LEFT = "branches left on the remote"


def directive_is(status: str) -> EventName:
    """The event of a directive that has come to this status."""
    return EventName(f"directive {status}")


def pull_request_is(state: str) -> EventName:
    """The event of a pull request that was found, or brought, into this state."""
    return EventName(f"pull request {state}")
