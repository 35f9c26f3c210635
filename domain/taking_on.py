"""Whether another agent goes on with a task whose own can't be used, by what daemons say of that (rule 5.9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from domain.agents import Away, PassedOver
from domain.change import Draft
from domain.failing import reopen
from domain.fallbacks import hand_over, next_turn, wait_for
from domain.models import Task
from domain.moment import not_too_far
from domain.questions import ask
from domain.spawn_task import Outcome


def ask_all(draft: Draft, outcome: Outcome) -> None:
    """What an outcome asks people."""
    for question in outcome.questions:
        ask(draft, question)


def is_taken_on(draft: Draft, task: Task, away: Away, outcome: Outcome) -> bool:
    """Whether another agent goes on, now or once it comes free: the first of them all. While none is there, whoever is
    asked for help stays asked.
    """
    until = not_too_far(outcome.wait_until, draft.now) if outcome.wait_until else None
    soon = draft.now + draft.state.directive.settings.timings.cannot_serve
    passed = PassedOver(away=away, why=outcome.summary, until=until or soon)
    turn = None if task.unwanted else next_turn(draft.state, task, passed, draft.now)
    if turn is None:
        wait_for(draft, task, passed.until or soon)
        return False
    if turn.at:
        ask_all(draft, outcome)
    hand_over(draft, task, passed, turn)
    reopen(draft, task)
    return True


def is_refused_for_agent(draft: Draft, task: Task, reasons: str, times: Mapping[str, datetime], soon: datetime) -> bool:
    """Whether another agent goes on where no daemon is left to ask: `times` says when each of them may be again."""
    passed = _refused_agent(task, reasons, times, soon)
    if passed is None or task.unwanted:
        return False
    turn = next_turn(draft.state, task, passed, draft.now)
    if turn is None:
        wait_for(draft, task, passed.until or soon)
        return False
    hand_over(draft, task, passed, turn)
    reopen(draft, task)
    return True


def _refused_agent(task: Task, reasons: str, times: Mapping[str, datetime], soon: datetime) -> PassedOver | None:
    """What daemons say of the task's agent, where they refuse the task because of it. One that doesn't have it is not
    waited for; one that refuses for another reason may have it soon.
    """
    about = {daemon: away for daemon, away in task.agents.refused_by.items() if daemon in task.refusals}
    if not about:
        return None
    free = [at for daemon, at in times.items() if about.get(daemon) is not Away.NOT_SERVED]
    if not free:
        return PassedOver(away=Away.NOT_SERVED, why=reasons, until=soon)
    is_login = all(away is not Away.PARKED for away in about.values()) and len(about) == len(times)
    return PassedOver(away=Away.REFUSED if is_login else Away.PARKED, why=reasons, until=min(free))
