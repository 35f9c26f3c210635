"""What an operator means by a step: its name, its id, or the beginning of that."""

from __future__ import annotations

import re

from domain.errors import Refused
from domain.models import State, Step

_BEGINNING = re.compile(r"[0-9a-f]{4,32}")


def find_step(state: State, reference: str) -> Step:
    """The step of this id, else the newest one of this name, else the only one whose id begins so (4 hex or more).

    Raises Refused where there is none, or more than one.
    """
    steps = state.ordered_steps()
    for step in reversed(steps):
        if reference in (str(step.id), step.name):
            return step
    beginning = reference.lower().replace("-", "")
    found = [step for step in steps if step.id.hex.startswith(beginning)] if _BEGINNING.fullmatch(beginning) else []
    if len(found) > 1:
        raise Refused(f"{reference!r} means {len(found)} steps: give more of the id")
    if not found:
        raise Refused(f"there is no step {reference!r}; `status` lists them")
    return found[0]
