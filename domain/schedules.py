"""A schedule (rule 2.16): which directive comes back, when, and what each firing of it starts; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID, uuid5

from pydantic import Field, StringConstraints

from domain.errors import Refused
from domain.models import Directive, State, Step
from domain.pausing import paused_by_hand
from domain.pull_requests.watching import wanted_watch
from domain.repository_url import masked
from domain.statuses import DirectiveStatus
from domain.tolerant import Tolerant

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
LONGEST_CRON = 200
MOST_CRONS = 20
SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(seconds=10), timedelta(days=365)
"""Temporal itself takes no catch-up window that is shorter."""
CAUGHT_UP = timedelta(days=7)
"""Unless said otherwise: what comes back every week is made up for once, and nothing older is."""
LOOKS = 5
"""At a repository that is found wrong, each after twice the pause of the one before, until the firing has failed."""
_WINDOW = re.compile(r"(?P<number>[0-9]{1,9})\s*(?P<unit>s|min|h|d)")
_UNITS: Mapping[str, timedelta] = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


class Overlap(StrEnum):
    """What becomes of a firing while the one before still runs, in Temporal's words. Its TERMINATE_OTHER is not here: a
    firing that is terminated could not end its directive.
    """

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    CANCEL_OTHER = "cancel_other"
    ALLOW_ALL = "allow_all"


class Scheduled(Tolerant):
    """What each firing of a schedule is given: all that was wanted when it was added."""

    name: Annotated[str, StringConstraints(max_length=50)]
    directive: Directive
    """What is started; its id is the schedule's own, and no directive's."""
    given_plan: tuple[Step, ...] = ()
    crons: Annotated[tuple[str, ...], Field(max_length=MOST_CRONS)] = ()
    """As they were typed: Temporal keeps what it has read in them."""
    time_zone: str = ""


class Firing(Tolerant):
    """One of them, by the id of its workflow, which holds the time that it was scheduled for."""

    scheduled: Scheduled
    workflow: str

    @property
    def directive(self) -> UUID:
        return directive_of(self.scheduled.directive.id, self.workflow)


class Fired(Tolerant):
    """The directive that a firing has started."""

    directive: UUID
    workflow: str


class DirectiveFollowed(Tolerant):
    """A directive that is waited for until the firing that has started it is over."""

    owner: str
    fired: Fired
    every: timedelta


class FiringEnded(Tolerant):
    failure: str = ""
    """Why its directive doesn't go on by itself; empty: all is well."""


def checked_name(name: str) -> str:
    """`name`, if a schedule may be called so; Refused."""
    if not _NAME.fullmatch(name):
        raise Refused(
            f"{name[:60]!r} is no schedule's name: up to 50 of a-z, 0-9, - and _, with a letter or a number first"
        )
    return name


def schedules_of(owner: str) -> str:
    """What the ids of all schedules of an owner begin with; no owner's name has a point in it."""
    return f"schedule-{owner}."


def schedule_id(owner: str, name: str) -> str:
    """The id of the one schedule of this name: Temporal refuses a second one."""
    return f"{schedules_of(owner)}{checked_name(name)}"


def directive_of(schedule: UUID, firing: str) -> UUID:
    """The id of the one directive that a firing starts, however often it is tried."""
    return uuid5(schedule, firing)


def draft_of(firing: Firing) -> State:
    """The draft of that directive: nothing of it, and of its steps, has an id that another firing has given."""
    mine = firing.directive
    directive = firing.scheduled.directive.model_copy(update={"id": mine})
    steps = firing.scheduled.given_plan
    new = {step.id: uuid5(mine, str(step.id)) for step in steps}
    plan = tuple(
        step.model_copy(update={"id": new[step.id], "depends_on": tuple(new[other] for other in step.depends_on)})
        for step in steps
    )
    return State(directive=directive, given_plan=plan)


def scheduled_of(name: str, draft: State, crons: tuple[str, ...], time_zone: str) -> Scheduled:
    """A schedule of this draft; Refused for what can't be one."""
    checked_name(name)
    if not crons:
        raise Refused('a schedule needs --cron, such as --cron "0 3 * * 1": minute, hour, day, month, weekday')
    if len(crons) > MOST_CRONS or any(len(each) > LONGEST_CRON for each in crons):
        raise Refused(f"a schedule takes at most {MOST_CRONS} times --cron, each of at most {LONGEST_CRON} characters")
    repository = draft.directive.repository
    if masked(repository) != repository:
        raise Refused(
            f"a schedule keeps no password: give {masked(repository)} without what stands before @, "
            "and let the daemon's git know it"
        )
    return Scheduled(
        name=name, directive=draft.directive, given_plan=draft.given_plan, crons=crons, time_zone=time_zone
    )


def window(typed: str) -> timedelta:
    """A catch-up window, as it is typed; Refused."""
    found = _WINDOW.fullmatch(typed.strip())
    length = int(found["number"]) * _UNITS[found["unit"]] if found and int(found["number"]) < 10**8 else timedelta()
    if not SHORTEST_WINDOW <= length <= LONGEST_WINDOW:
        raise Refused(f"--catchup-window takes 10s to 365d, written as 30min, 6h or 7d; not {typed[:60]!r}")
    return length


def ended(state: State) -> FiringEnded | None:
    """How the firing is over that has started this directive; None: it goes on. One that nobody works on until somebody
    acts holds up no later firing; a pull request that is looked after does, and so does a pause by hand.
    """
    match state.status:
        case DirectiveStatus.COMPLETED | DirectiveStatus.ARCHIVED:
            return FiringEnded()
        case DirectiveStatus.FAILED:
            return FiringEnded(failure=f"failed: {state.reason}" if state.reason else "failed")
        case DirectiveStatus.PAUSED if not paused_by_hand(state):
            return FiringEnded(failure=f"paused: {state.reason}")
        case DirectiveStatus.IDLE if not _is_looked_after(state):
            return FiringEnded()
        case _:
            return None


def _is_looked_after(state: State) -> bool:
    known = state.pull_request
    return known is not None and not known.state.is_over and wanted_watch(state) is not None
