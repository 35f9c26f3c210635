"""An agent asks for leave to use a tool: a person is asked in turn (rule 8.3)."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import ValidationError

from daemon.agents.stream_events import PermissionReply, PermissionRequest
from domain.errors import NotReachable
from domain.handover import is_reserved
from domain.models import Question
from domain.questions import ALLOW, DENY, is_a_persons_answer, permission_id, question_id
from domain.spawn_task import Delivery, SpawnTask
from domain.tolerant import Tolerant

WAIT = 60.0
"""Seconds for which the agent waits with its turn open; then it is interrupted, and goes on with the answer later."""
LOOK_EVERY = 2.0
QUESTION_TOOL = "AskUserQuestion"
_ABOUT_SHOWN = 2000


class _Option(Tolerant):
    label: str = ""


class _Posed(Tolerant):
    question: str
    options: tuple[_Option, ...] = ()


class _Questions(Tolerant):
    questions: tuple[_Posed, ...]


class Asking:
    """Brings what an agent asks to people, and their answers back."""

    def __init__(self, command: SpawnTask, delivery: Delivery, wait: float = WAIT, every: float = LOOK_EVERY) -> None:
        self._command = command
        self._delivery = delivery
        self._wait = wait
        self._every = every
        self.open: dict[str, Question] = {}
        """Asked, and not answered yet, by their ids."""

    async def decide(self, asked: PermissionRequest) -> PermissionReply:
        """The answer to what the agent asks; an interruption where it has to wait for it."""
        questions = questions_in(asked, self._command)
        answers = [await self._answer(question) for question in questions]
        if None in answers:
            return PermissionReply(
                False, "A person has to answer first. End your work: it is resumed then.", interrupt=True
            )
        if asked.tool == QUESTION_TOOL:
            told = {question.text: answer for question, answer in zip(questions, answers, strict=True)}
            return PermissionReply(True, arguments={**asked.arguments, "answers": told})
        return PermissionReply(answers == [ALLOW], f"A person has answered: {answers[0]}")

    async def _answer(self, question: Question) -> str | None:
        answers = self._command.context.answers
        known = next((each for each in answers if each.id == question.id or _gives_leave(each, question)), question)
        if known.answer is not None:
            return known.answer
        self.open[str(question.id)] = question
        try:
            async with asyncio.timeout(self._wait):
                answer = await self._answer_to(question)
        except TimeoutError:
            return None
        del self.open[str(question.id)]
        return answer

    async def _answer_to(self, question: Question) -> str:
        is_asked = False
        while True:
            try:
                if not is_asked:
                    await self._delivery.ask(question)
                    is_asked = True
                for each in await self._delivery.answers():
                    if each.id == question.id and each.answer is not None:
                        return each.answer
            except NotReachable:
                pass  # asked again below, until the time is over: then the outcome carries the question
            await asyncio.sleep(self._every)


def questions_in(asked: PermissionRequest, command: SpawnTask) -> list[Question]:
    """What a person is asked: for leave, or what the agent itself wants to know."""
    if asked.tool == QUESTION_TOOL and (posed := _posed(asked.arguments)):
        return [_question(command, each.question, _offered(each)) for each in posed]
    text = f"May the agent of {command.name!r} use {asked.tool}? {asked.about[:_ABOUT_SHOWN]}"
    asked_for = _question(command, text, (ALLOW, DENY))
    return [asked_for.model_copy(update={"id": permission_id(command.task, asked_for.text)})]


def _posed(arguments: dict[str, Any]) -> tuple[_Posed, ...]:
    try:
        return _Questions.model_validate(arguments).questions
    except ValidationError:
        return ()


def _gives_leave(known: Question, question: Question) -> bool:
    """Whether a person has answered the same words before, whoever asked them; a default is nobody's answer."""
    same = known.id == question_id(known.task, question.text) and known.task == question.task
    return same and is_a_persons_answer(known)


def _offered(posed: _Posed) -> tuple[str, ...]:
    """What it offers, unless those are the choices of a question whose answer Makima acts upon."""
    offered = tuple(option.label for option in posed.options if option.label)
    return () if is_reserved(offered) else offered


def _question(command: SpawnTask, text: str, choices: tuple[str, ...]) -> Question:
    text = text.strip()[:4000] or "The agent asks, but says not what."
    return Question(id=question_id(command.task, text), task=command.task, text=text, choices=choices)
