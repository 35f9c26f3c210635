"""An agent and a person, while the agent runs (rule 8.3): its questions go out, answers come into its task folder."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import UUID

from daemon import agent_files
from daemon.logs.masking import Masker, masked_question
from daemon.workspace.handing_over import taken_handover
from domain.errors import HandoverBroken
from domain.handover import ANSWERS_FILE, Answers, TaskContext
from domain.models import Question
from domain.spawn_task import Delivery
from runtime.chores import beside, one_turn

LOOK_EVERY = 0.3
"""Seconds between two looks at what the agent has written."""
ASK_EVERY = 2.0
"""Seconds between two looks for answers while a question is open, and before a core that is away is tried again."""


class Conversation:
    """Tells each question once, and writes every answer down as it comes; nothing in it ever fails the task."""

    def __init__(
        self,
        folder: Path,
        delivery: Delivery,
        context: TaskContext,
        masker: Masker | None = None,
        look_every: float = LOOK_EVERY,
        ask_every: float = ASK_EVERY,
    ) -> None:
        self._folder = folder
        self._delivery = delivery
        self._context = context
        self._masker = masker or Masker()
        self._look_every = look_every
        self._ask_every = ask_every
        self._pause = look_every
        self._published: set[UUID] = set()
        self._recorded: tuple[Question, ...] = ()

    def going_on(self) -> AbstractAsyncContextManager[None]:
        """From entering to leaving."""
        return beside(self._listen())

    async def _listen(self) -> None:
        while True:
            self._pause = self._look_every
            await one_turn(self._look)
            await asyncio.sleep(self._pause)

    async def _look(self) -> None:
        if asked := await asyncio.to_thread(self._open_questions):
            self._pause = self._ask_every
            await self._publish(asked)
            await self._record(await self._delivery.answers())

    def _open_questions(self) -> list[Question]:
        answered = {question.id for question in self._recorded if not question.is_open}
        try:
            handover = taken_handover(self._folder, self._context)
        except HandoverBroken:
            return []  # the end of the task says so
        return [question for question in handover.open_questions if question.id not in answered]

    async def _publish(self, asked: list[Question]) -> None:
        for question in asked:
            if question.id not in self._published:
                await self._delivery.ask(masked_question(question, self._masker))
                self._published.add(question.id)

    async def _record(self, questions: tuple[Question, ...]) -> None:
        if questions != self._recorded:
            await asyncio.to_thread(_write, self._folder, Answers(questions=questions))
            self._recorded = questions


def _write(folder: Path, answers: Answers) -> None:
    agent_files.write(folder, ANSWERS_FILE, answers.model_dump_json().encode())
