"""What `start` looks at before it accepts a directive: the daemons, and its repository through one (rule 2.12)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from activities.start_checks import ask
from domain.errors import NotReachable, RecordError, Refused
from domain.models import State
from domain.protocol import DaemonFeature
from domain.reports import DaemonSeen
from domain.start_checks import StartWanted, serving, unserved
from steering.directives import Directives
from steering.new_directive import placed

REPORTS_WITHIN = 15.0
"""Seconds: how long one is waited for that was started a moment ago, where none has reported lately."""
LOOK_EVERY = 0.2


async def checked(directives: Directives, draft: State) -> tuple[State, Sequence[DaemonSeen]]:
    """The draft as it can be started, and the daemons there are. Refused where no daemon that lives serves it, and
    where one that does finds that nothing could come of it.
    """
    daemons = await _serving(directives, draft)
    state = placed(draft, daemons)
    if trouble := await _trouble(directives, state, daemons):
        raise Refused(trouble)
    return state, daemons


async def daemons_known(directives: Directives) -> Sequence[DaemonSeen]:
    """Those that have ever reported; none, where no worker has made the record's tables yet."""
    try:
        return await directives.record.daemons(directives.owner)
    except (RecordError, NotReachable):  # a directive can be started all the same: Temporal keeps it
        return ()


async def _serving(directives: Directives, draft: State) -> Sequence[DaemonSeen]:
    """The daemons, once one that lives serves each agent of the draft; Refused."""
    late = time.monotonic() + REPORTS_WITHIN
    while True:
        is_late = time.monotonic() > late
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


async def _trouble(directives: Directives, state: State, daemons: Sequence[DaemonSeen]) -> str:
    """What a daemon finds in the repository; empty: work can begin there, or nobody can look."""
    directive = state.directive
    wanted = StartWanted(
        repository=directive.repository,
        base_branch=directive.base_branch,
        branch_prefix=directive.settings.branch_prefix,
    )
    asked = [each for each in serving(state, daemons) if DaemonFeature.START_CHECKS in each.features]
    for each in asked:
        if (seen := await ask(directives.client, directives.owner, each.name, wanted)) is not None:
            return seen.trouble
    silent = ", ".join(each.name for each in asked)
    return (
        f"{silent} reported lately, but doesn't answer: look whether it runs, or add --wait-for-daemon" if asked else ""
    )
