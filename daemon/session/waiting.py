"""When a task waits because of its agent's account or questions, and for what (rules 5.3, 5.6)."""

from __future__ import annotations

from datetime import datetime, timedelta

from daemon.session.parking import Account, Parking
from daemon.session.parking_file import Parked
from domain.agents import Away
from domain.models import Question
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask

NETWORK_AGAIN = timedelta(minutes=5)
"""Doubled each time that the model still doesn't answer: a request that is cut off may be charged all the same."""
NETWORK_AGAIN_AT_MOST = timedelta(hours=1)
_ASK_LOGIN = """\
Agent {agent} on daemon {daemon} can't log in: {report}

Repair its account, then answer anything: all tasks that wait for it go on. {remedy}"""


def network_wait(waits: int) -> timedelta:
    """How long a task waits that has waited so often for the model to answer."""
    return min(NETWORK_AGAIN * (1 << min(waits, 10)), NETWORK_AGAIN_AT_MOST)


def waiting(
    command: SpawnTask,
    *,
    summary: str = "",
    until: datetime | None = None,
    questions: tuple[Question, ...] = (),
    away: Away | None = None,
) -> Outcome:
    """The outcome of a task that goes on with an answer, or at a time. `away`: it is its agent that can't be used."""
    return Outcome(
        task=command.task,
        attempt=command.attempt,
        status=OutcomeStatus.WAITING,
        summary=summary,
        wait_until=until,
        questions=questions,
        away=away,
    )


def limit_text(parked: Parked, report: str) -> str:
    """Why a task waits for its agent's account; a time that nobody has told is said to be none of the agent's."""
    return f"{parked.agent}: {report[:400]}{'; it does not tell when that ends' if parked.is_guess else ''}"


def login_question(
    command: SpawnTask, parking: Parking, parked: Parked, account: Account, *, daemon: str, report: str, remedy: str
) -> Question:
    """One for all tasks of a directive that meet the same trouble on this daemon."""
    text = _ASK_LOGIN.format(agent=parked.agent, daemon=daemon, report=report[:1000], remedy=remedy)
    return Question(id=parking.question_id(parked, account), task=command.task, text=text[:4000])
