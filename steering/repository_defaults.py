"""What a repository says of a start (`[start]` in its `.makima.toml`), told by a daemon that has looked (rule 2.14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.errors import Refused
from domain.models import State
from domain.protocol import DaemonFeature
from domain.reports import DaemonSeen
from domain.start_checks import Need, serving
from steering.directives import Directives
from steering.filled_options import Filled, with_repositorys
from steering.given_files import STDIN
from steering.new_directive import StartOptions, new_directive, placed, with_goal_read
from steering.start_checks import Deadline, Looked, look, once_one_lives

NOBODY = "?"
"""No agent's name: it stands for those that the repository may name."""
FILE = ".makima.toml"


@dataclass(frozen=True)
class Prepared:
    """A directive that can be launched."""

    draft: State
    filled: Filled
    late: Deadline
    issue: str
    looked: Looked | None
    """What a daemon has found in its repository."""


def drafted(filled: Filled, owner: str) -> State:
    """The draft of what was filled in; Refused, with who has said what was not typed."""
    try:
        return new_directive(filled.options, owner)
    except Refused as refused:
        raise told_of(refused, filled) from refused


def told_of(refused: Refused, filled: Filled) -> Refused:
    """The same, and which defaults may have led to it."""
    parts = [f"by default: {'; '.join(map(str, filled.defaults))}"] if filled.defaults else []
    parts += [f"the repository's {FILE} was not read: {filled.unread}"] if filled.unread else []
    return Refused("; ".join([str(refused), *parts]))


def sketched(filled: Filled, owner: str) -> tuple[Filled, State]:
    """The directive as far as it is known before its repository is asked, which may name its agents; and the options
    with their goal read. Refused where they make none whatever it says.
    """
    options = with_goal_read(filled.options)
    # A plan that comes in is read later: it comes once.
    plan = None if options.plan == STDIN else options.plan
    sketch = new_directive(replace(options, agents=options.agents or NOBODY, plan=plan), owner)
    return replace(filled, options=options), sketch


async def with_repositorys_own(
    directives: Directives, filled: Filled, sketch: State, late: Deadline | None
) -> tuple[Filled, Looked | None]:
    """The options with what the repository says, and what else was found there. Refused where it can't be read, where
    what it says makes no sense, and, of a directive that begins, where nothing could come of it. `late`: until when a
    daemon is waited for; None: it does not begin now, and where nobody lives its options are those without.
    """
    daemons = await once_one_lives(directives, late or Deadline(0))
    state = placed(sketch, daemons)
    asked = [each for each in _fit(state, filled.options, daemons) if DaemonFeature.START_DEFAULTS in each.features]
    if not asked:
        return replace(filled, unread="no daemon that lives could read them"), None
    looked = await look(directives, state.directive, asked, defaults=True, only_defaults=late is None)
    if looked.seen.defaults is None:
        return filled, looked
    return with_repositorys(filled, looked.seen.defaults, f"{FILE} of {looked.seen.read_from}"), looked


def _fit(state: State, options: StartOptions, daemons: Sequence[DaemonSeen]) -> list[DaemonSeen]:
    """Whom to ask, the freest first: who can do the work, with whose credentials it is done; where no agent was named,
    whoever may.
    """
    if options.agents or options.agent or options.planner:
        return serving(state, daemons)
    settings = state.directive.settings
    place = Need(option="", agents=(), daemon=settings.on, label="" if settings.on else settings.label)
    living = (each for each in daemons if each.reported_lately and place.may_be_met_by(each))
    return sorted(living, key=lambda daemon: -daemon.free)
