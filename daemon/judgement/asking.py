"""Questions about finished work whose answers the daemon acts upon: the attempt waits for a person."""

from __future__ import annotations

from daemon.session.waiting import waiting
from domain.models import Question
from domain.questions import is_a_persons_answer, question_id
from domain.spawn_task import Outcome, SpawnTask


def asked(command: SpawnTask, text: str, choices: tuple[str, ...]) -> Outcome:
    """What the attempt waits for. The same after an answer is a new question."""
    text = text[:4096]
    identity = question_id(command.task, f"{len(answered(command, choices))} {text}")
    question = Question(id=identity, task=command.task, text=text, choices=choices)
    return waiting(command, summary=text[:500], questions=(question,))


def answered(command: SpawnTask, choices: tuple[str, ...]) -> list[Question]:
    """What people have answered to questions with these choices, in the order in which they were asked."""
    return [each for each in command.context.answers if each.choices == choices and is_a_persons_answer(each)]
