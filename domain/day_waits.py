"""Tasks that wait for the next day go on once there is more to use today (rule 2.11)."""

from __future__ import annotations

from datetime import datetime

from domain.agents import TaskAgents
from domain.change import Change, Draft
from domain.day_budget import waits_for
from domain.models import State
from domain.statuses import TaskStatus


def freed(state: State, account: str, now: datetime) -> Change:
    """The budget of the day of this account, or of all, is used up no more: what waits for it is due."""
    draft = Draft(state, now)
    for task in state.live():
        if task.status is TaskStatus.WAITING and task.wait_until and waits_for(task.reason) == account:
            draft.task(task.id, wait_until=now, agents=_asked_again(task.agents, account))
    return draft.change()


def _asked_again(agents: TaskAgents, account: str) -> TaskAgents:
    """An agent in whose place another one was to go on may have its turn again."""
    left = {name: each for name, each in agents.passed_over.items() if waits_for(each.why) != account}
    return agents.model_copy(update={"name": "", "passed_over": left}) if left != agents.passed_over else agents
