"""`makima directive ask "…"`: a question to a person (rule 8.3)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from cli.agent.folder import AgentFolder
from cli.agent.plan_commands import listed
from domain.errors import Refused
from domain.handover import ask as asked
from domain.handover import hear, make_question
from domain.models import Question

app = typer.Typer()

ANSWER_WITHIN = 60.0
"""Seconds that the command waits for a person who happens to be there."""
LOOK_EVERY = 0.2
NOT_ANSWERED = 75
"""The exit code: EX_TEMPFAIL, try again later."""
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 365 * 86400


@app.command()
def ask(
    question: str,
    choices: Annotated[str, typer.Option(help="The possible answers, separated by commas.")] = "",
    context: Annotated[str, typer.Option(help="What a person has to know to answer.")] = "",
    timeout: Annotated[str, typer.Option(help="When the default is the answer: 90, 30m, 4h.")] = "",
    default: Annotated[str, typer.Option(help="The answer if nobody answers in time.")] = "",
    wait_seconds: Annotated[float, typer.Option(hidden=True)] = ANSWER_WITHIN,
) -> None:
    """Ask a person and print the answer; exit code 75: there is none yet, end your work, it will be resumed."""
    folder = AgentFolder.find()
    wanted = make_question(
        folder.context(),
        question,
        choices=listed(choices),
        background=context,
        default=default,
        deadline=datetime.now(UTC) + _duration(timeout) if timeout else None,
    )
    answered = _answer(folder, wanted.id)
    if answered is None:
        folder.change(lambda handover, _: asked(handover, wanted))
        answered = _wait(folder, wanted.id, wait_seconds)
    if answered is None:
        typer.echo("No answer yet. End your work now: you will be resumed when the answer is there.", err=True)
        raise typer.Exit(NOT_ANSWERED)
    heard = answered
    folder.change(lambda handover, _: hear(handover, heard))
    typer.echo(heard.answer or "(nobody answered in time: decide yourself)")


def _wait(folder: AgentFolder, question: UUID, seconds: float) -> Question | None:
    until = time.monotonic() + seconds
    while (answered := _answer(folder, question)) is None and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
    return answered


def _answer(folder: AgentFolder, question: UUID) -> Question | None:
    """The answered question, if it is one: from before the agent was started, or from this moment."""
    known = (*folder.answers().questions, *folder.context().context.answers)
    return next((one for one in known if one.id == question and not one.is_open), None)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,9})\s*([smhd]?)", text.strip())
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST:
        raise Refused(f"--timeout {text[:100]!r} is no time: seconds, or such as 30m, 4h, 2d")
    return timedelta(seconds=seconds)
