"""What a person decides about finished work that its agent did not mend: the attempt waits for the answer.

A secret in the commits; commits that lie beside the work, of which the agent was told and which it left there.
"""

from __future__ import annotations

import re

from daemon.judgement.check import Fault
from daemon.session.waiting import waiting
from domain.failures import FailureCategory
from domain.models import Question
from domain.questions import (
    AGAIN,
    GIVE_UP,
    LEFT_CHOICES,
    PUT_IN,
    SECRET_CHOICES,
    WITHOUT,
    is_a_persons_answer,
    question_id,
)
from domain.spawn_task import Outcome, SpawnTask, failed

_ABOUT_SECRETS = """\
This was found in the work of {name!r}, and nothing of it has left the machine: its branch isn't pushed, its checkpoint
is without it. If it is a secret, replace it where it came from. If it is none, name the file or the hash in
`allow_secrets`, in the daemon's settings (and restart it) or in .makima.toml on the base branch. With {again!r} the
agent goes on."""
_ABOUT_LEFT = """\
The work of {name!r} itself is in commit {head}, and is good as far as it was looked at. {saved}
With {without!r} it counts as it is; with {put_in!r} these commits are merged into it; with {give_up!r} the attempt \
fails."""
_HEAD = re.compile(r" itself is in commit ([0-9a-f]{40,64}), ")


def asked_about_secret(command: SpawnTask, found: Fault) -> Outcome:
    """What an attempt waits for whose agent leaves a secret in its commits: a person."""
    question = _ABOUT_SECRETS.format(name=command.step_name or command.name, again=AGAIN)
    return asked(command, f"{found.report}.\n{question}", SECRET_CHOICES)


def given_up(command: SpawnTask) -> Outcome | None:
    """The end of an attempt of which a person has said so."""
    if all(each.answer != GIVE_UP for each in answered(command, SECRET_CHOICES)):
        return None
    return failed(
        command, FailureCategory.SECRET, "what looks like a secret is in its commits, and a person gave it up"
    )


def asked_about_left(command: SpawnTask, found: Fault, head: str, saved: str) -> Outcome:
    """What the attempt waits for whose work is in `head`; `saved`: where the commits beside it are now."""
    choices = {"without": WITHOUT, "put_in": PUT_IN, "give_up": GIVE_UP}
    name = command.step_name or command.name
    question = _ABOUT_LEFT.format(name=name, head=head, saved=f"The {saved}." if saved else "", **choices)
    return asked(command, f"{found.report}.\n{question}", LEFT_CHOICES)


def decided_about_left(command: SpawnTask, head: str) -> Question | None:
    """The newest question of these, answered, whose work is in `head`: it is as it was then, and no agent has to work
    on it. None: nobody was asked about this work.
    """
    newest_first = reversed(answered(command, LEFT_CHOICES))
    return next((each for each in newest_first if _HEAD.findall(each.text) == [head]), None)


def asked(command: SpawnTask, text: str, choices: tuple[str, ...]) -> Outcome:
    """What the attempt waits for. The same after an answer is a new question."""
    text = text[:4096]
    identity = question_id(command.task, f"{len(answered(command, choices))} {text}")
    question = Question(id=identity, task=command.task, text=text, choices=choices)
    return waiting(command, summary=text[:500], questions=(question,))


def answered(command: SpawnTask, choices: tuple[str, ...]) -> list[Question]:
    """What people have answered to questions with these choices, in the order in which they were asked."""
    return [each for each in command.context.answers if each.choices == choices and is_a_persons_answer(each)]
