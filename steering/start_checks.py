"""What `start` looks at before it accepts a directive: the daemons, and its repository through one (rule 2.12)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from activities.start_checks import seen_by_one
from domain.errors import NotReachable, RecordError, Refused
from domain.models import Directive, State
from domain.protocol import DaemonFeature
from domain.reports import DaemonSeen
from domain.start_checks import StartSeen, serving, unserved
from steering.directives import Directives
from steering.new_directive import placed

REPORTS_WITHIN = 15.0
"""Seconds: how long one is waited for that was started a moment ago, where none has reported lately."""
LOOK_EVERY = 0.2


class Deadline:
    """Until when a daemon is waited for that was started a moment ago, however often one is looked for."""

    def __init__(self, within: float = REPORTS_WITHIN) -> None:
        self._end = time.monotonic() + within

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._end


@dataclass(frozen=True)
class Looked:
    """What a daemon has found in a repository."""

    daemon: str
    seen: StartSeen


async def checked(
    directives: Directives, draft: State, late: Deadline, looked: Looked | None = None
) -> tuple[State, Sequence[DaemonSeen]]:
    """The draft as it can be started, and the daemons there are. Refused where no daemon that lives serves it, and
    where one that does finds that nothing could come of it. `looked`: what one has found there already.
    """
    daemons = await _serving(directives, draft, late)
    state = placed(draft, daemons)
    able = serving(state, daemons)
    asked = [each for each in able if DaemonFeature.START_CHECKS in each.features]
    if asked and (looked is None or all(each.name != looked.daemon for each in able)):
        await look(directives, state.directive, asked)
    return state, daemons


async def daemons_known(directives: Directives) -> Sequence[DaemonSeen]:
    """Those that have ever reported; none, where no worker has made the record's tables yet."""
    try:
        return await directives.record.daemons(directives.owner)
    except (RecordError, NotReachable):  # a directive can be started all the same: Temporal keeps it
        return ()


async def once_one_lives(directives: Directives, late: Deadline) -> Sequence[DaemonSeen]:
    """The daemons, once one has reported lately, or none in time."""
    while True:
        daemons = await daemons_known(directives)
        if late.is_over or any(each.reported_lately for each in daemons):
            return daemons
        await asyncio.sleep(LOOK_EVERY)


async def _serving(directives: Directives, draft: State, late: Deadline) -> Sequence[DaemonSeen]:
    """The daemons, once one that lives serves each agent of the draft; Refused."""
    while True:
        is_late = late.is_over
        try:
            daemons = await directives.record.daemons(directives.owner)
        except (NotReachable, RecordError):  # as before a worker that starts has made its tables
            if is_late:
                raise
        else:
            why = unserved(placed(draft, daemons), daemons)
            if not why:
                return daemons
            if is_late or any(each.reported_lately for each in daemons):
                raise Refused(why)
        await asyncio.sleep(LOOK_EVERY)


async def look(
    directives: Directives,
    directive: Directive,
    asked: Sequence[DaemonSeen],
    *,
    defaults: bool = False,
    only_defaults: bool = False,
) -> Looked:
    """What the first of these daemons that answers finds in the repository. Refused where nothing could come of it, and
    where none answers.
    """
    answered = await seen_by_one(directives.client, directive, asked, defaults=defaults, only_defaults=only_defaults)
    if answered is None:
        silent = ", ".join(each.name for each in asked)
        raise Refused(f"{silent} reported lately, but doesn't answer: look whether it runs, or add --wait-for-daemon")
    daemon, seen = answered
    if seen.trouble:
        raise Refused(seen.trouble)
    return Looked(daemon.name, seen)
