"""`starter.py answers` as a process of a test."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cli.operator.answers import NO_LINKS
from domain import names
from domain.answer_links import AnswerLink, signed
from domain.models import Question
from domain.questions import question_id
from domain.statuses import TaskKind
from tests.fixtures_desk import Desk
from tests.mcp_serving import STARTER, environment
from tests.processes import end
from tests.workflows.scripted import planned, until
from workflows.directive import DirectiveWorkflow

KEY = "k" * 32
URL = "https://makima.example.com/answers"


@dataclass
class Served:
    url: str
    process: asyncio.subprocess.Process


@asynccontextmanager
async def answers(desk: Desk, database: str, home: Path, url: str = URL) -> AsyncIterator[Served]:
    """What it has printed but for its address is held to be nothing; without a `url` that the links have, that line."""
    env = {**environment(desk, database, home), "MAKIMA_ANSWER_KEY": KEY, "MAKIMA_ANSWER_URL": url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, STARTER, "answers", "--listen", "127.0.0.1:0"),
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode().strip()
        assert line.startswith("http://127.0.0.1:")
        yield Served(line, process)
    finally:
        await end(process)
        said = [await process.stdout.read(), await process.stderr.read()]
    assert said == [b"", b"" if url else f"{NO_LINKS}\n".encode()], "no token is in a log"


def token(owner: str, directive: str, good_for: timedelta = timedelta(days=1), **about: UUID) -> str:
    """Of a link as a notice of the channel `phone` has it."""
    ends = datetime.now(UTC) + good_for
    link = AnswerLink(owner=owner, directive=UUID(directive), channel="phone", until=ends, **about)
    return signed(link, KEY.encode())


async def asked(desk: Desk, text: str = "Oak?", **fields: object) -> tuple[str, Question]:
    """A directive whose step asks."""
    desk.daemon.hold("floor")
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.daemon.arrived["floor"].wait()
    task = next(command.task for command in desk.daemon.commands if command.kind is TaskKind.STEP)
    question = Question.model_validate({"id": question_id(task, text), "task": task, "text": text, **fields})
    workflow = names.workflow_id("House", UUID(directive))
    handle = desk.world.client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)
    await handle.signal(DirectiveWorkflow.question_asked, question)

    async def recorded() -> bool:
        return bool((await desk.json("questions", directive))["questions"])

    await until(recorded)
    return directive, question
