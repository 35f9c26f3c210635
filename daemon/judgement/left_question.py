"""A person decides about commits that an agent has left beside its work, once it was told and left them there."""

from __future__ import annotations

import re

from daemon.judgement.asking import answered, asked
from daemon.judgement.fault import Fault
from domain.models import Question
from domain.questions import GIVE_UP, LEFT_CHOICES, PUT_IN, WITHOUT
from domain.spawn_task import Outcome, SpawnTask

_QUESTION = """\
The work of {name!r} itself is in commit {head}, and is good as far as it was looked at. {saved}
With {without!r} it counts as it is; with {put_in!r} these commits are merged into it; with {give_up!r} the attempt \
fails."""
_HEAD = re.compile(r" itself is in commit ([0-9a-f]{40,64}), ")


def asked_about_left(command: SpawnTask, found: Fault, head: str, saved: str) -> Outcome:
    """What the attempt waits for whose work is in `head`; `saved`: where the commits beside it are now."""
    choices = {"without": WITHOUT, "put_in": PUT_IN, "give_up": GIVE_UP}
    name = command.step_name or command.name
    question = _QUESTION.format(name=name, head=head, saved=f"The {saved}." if saved else "", **choices)
    return asked(command, f"{found.report}.\n{question}", LEFT_CHOICES)


def decided_about_left(command: SpawnTask, head: str) -> Question | None:
    """The newest question of these, answered, whose work is in `head`: it is as it was then, and no agent has to work
    on it. None: nobody was asked about this work.
    """
    newest_first = reversed(answered(command, LEFT_CHOICES))
    return next((each for each in newest_first if _HEAD.findall(each.text) == [head]), None)
