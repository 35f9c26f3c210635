"""What core, daemons and command line call each other by through Temporal: every word that two sides must agree on."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

WORKFLOW: Final = "DirectiveWorkflow"
"""The workflow type of a directive, in queries of the list of workflows."""


INTAKE: Final = "IntakeWorkflow"
"""The workflow type of an intake (rule 7.7)."""

FIRING: Final = "ScheduledStartWorkflow"
"""The workflow type of a schedule's firing (rule 2.16)."""


class SignalName(StrEnum):
    """Signals of a directive's workflow, and of an intake's."""

    TASK_STARTED = "task_started"
    QUESTION_ASKED = "question_asked"
    GOAL_CHANGED = "goal_changed"
    DAY_BUDGET_FREED = "day_budget_freed"
    """A budget of the day is used up no more: its account, or nothing for the owner's own."""
    INTAKE_REMOVED = "intake_removed"
    """An intake takes nothing more; by whom that is wanted."""
    LOOK_NOW = "look_now"
    """An intake looks at its repository at once."""


class QueryName(StrEnum):
    """Queries of a directive's workflow that are asked without importing it."""

    QUESTIONS_OF = "questions_of"


class ErrorType(StrEnum):
    """`ApplicationError.type` of what activities and updates end with."""

    CANNOT_SERVE = "CannotServe"
    """The daemon can't do this task; its details are the daemon's name, where known until when, what is the matter with
    its agent (domain.agents.Away), and what deliveries of the attempt had used before (domain.usage.Usage)."""
    ATTEMPT_GONE = "AttemptGone"
    """The attempt was called back, or belongs to another delivery."""
    HANDED_BACK = "HandedBack"
    """The daemon stops; the work is saved."""
    DAEMON_FULL = "DaemonFull"
    """No turn came free on the daemon in time."""
    NO_NEWS = "NoNews"
    """A look at a pull request found nothing new, or no forge; the next look follows."""
    REFUSED = "Refused"
    """The rules don't allow an operator's request."""
    ROW_BROKEN = "RowBroken"
    """What the record holds of an attempt can't be read."""
    FIRING_FAILED = "FiringFailed"
    """A schedule's firing has started nothing, or its directive doesn't go on by itself."""
    PAYLOADS_TOO_LARGE = "PayloadsTooLarge"
    """Temporal's own: the same would be refused on every retry."""


HANDED_BACK: Final = (ErrorType.ATTEMPT_GONE, ErrorType.DAEMON_FULL, ErrorType.HANDED_BACK)
"""Failures of a delivery that say nothing of the work: the attempt is dispatched again."""


class DaemonFeature(StrEnum):
    """What a daemon reports that it can do, where an older one can't."""

    SECRETS = "secrets"
    """It authenticates the state of attempts that are dispatched with a secret."""
    START_CHECKS = "start_checks"
    """It looks at a repository before a directive is started there."""
    START_DEFAULTS = "start_defaults"
    """It tells then what the repository says of a start."""
