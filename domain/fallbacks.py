"""When the next agent of a list goes on in place of the one before, and which one that is (rule 5.9)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.agents import Away, HandedOver, PassedOver
from domain.change import Draft
from domain.directive_settings import SHELL, AgentChoice, Settings
from domain.events import EventName
from domain.models import State, Task
from domain.statuses import TaskKind, TaskStatus

STILL_AWAY = timedelta(minutes=5)
"""One that can't be used again so soon after its wait was over has been away all the time."""
MOST_WHY = 500


class NextAgent(NamedTuple):
    """Who goes on."""

    agent: AgentChoice
    at: datetime | None
    """When it comes free, the first of all; None: it may begin now."""


def agents_of(state: State, task: Task) -> tuple[AgentChoice, ...]:
    """Those that may do the task, in order; none, where it needs no agent."""
    wanted = _wanted(state, task)
    return wanted.in_order if wanted else ()


def _wanted(state: State, task: Task) -> AgentChoice | None:
    settings = state.directive.settings
    match task.kind:
        case TaskKind.PREPARE:
            return None
        case TaskKind.PLANNING:
            return settings.planner
        case TaskKind.COMPLETION:
            return settings.resolver or settings.agent
        case TaskKind.STEP:
            assert task.step is not None
            step = state.steps[task.step]
            return fixer(settings) if step.fix else step.agent or settings.agent


def fixer(settings: Settings) -> AgentChoice | None:
    """The agent for fixes: the one that was chosen for it, else the planner, else the one for steps; None: none of
    them reads what people and programs write."""
    if settings.fixer:
        return settings.fixer
    return next((agent for agent in (settings.planner, settings.agent) if agent and agent.name != SHELL), None)


def agent_of(state: State, task: Task) -> AgentChoice | None:
    """The one whose turn the task is, as the list stands now; None: it needs no agent."""
    listed = agents_of(state, task)
    mine = [each for each in listed if each.name == task.agents.name]
    left = [each for each in listed if each.name not in task.agents.passed_over]
    return next(iter((*mine, *left, *listed)), None)


def name_of(state: State, task: Task) -> str:
    """The name of the agent that has the task, also where an edited list holds it no more; empty: it needs none."""
    agent = agent_of(state, task)
    return task.agents.name or (agent.name if agent else "")


def next_turn(state: State, task: Task, passed: PassedOver, now: datetime) -> NextAgent | None:
    """Who goes on where the task's agent is `passed` over; None: nobody else, or it comes free first itself, or so soon
    that it is waited for.
    """
    present, listed = name_of(state, task), agents_of(state, task)
    if passed.away is Away.PARKED and passed.until and _is_short(state, task, passed.until, now):
        return None
    known = {**task.agents.passed_over, present: passed}
    others = [each for each in listed if each.name != present]
    for each in others:
        before = known.get(each.name)
        if before is None or (before.until and before.until <= now):
            return NextAgent(each, None)
    waited = [(known[each.name].until or now, each) for each in listed if _comes_back(known.get(each.name))]
    at, first = min(waited, key=lambda pair: pair[0], default=(now, None))
    return NextAgent(first, at) if first and first.name != present else None


def _comes_back(passed: PassedOver | None) -> bool:
    return passed is not None and passed.until is not None


def _is_short(state: State, task: Task, until: datetime, now: datetime) -> bool:
    return until - away_since(task, now) <= state.directive.settings.fallback_after


def away_since(task: Task, now: datetime) -> datetime:
    """When the task has begun to wait for its agent, which can't be used `now`."""
    since, until = task.agents.away_since, task.agents.away_until
    return since if since and until and now <= until + STILL_AWAY else now


def wait_for(draft: Draft, task: Task, until: datetime) -> None:
    """Note that the task waits for its agent."""
    agents = draft.state.tasks[task.id].agents
    noted = {"away_since": away_since(task, draft.now), "away_until": until}
    draft.task(task.id, agents=agents.model_copy(update=noted))


def hand_over(draft: Draft, task: Task, passed: PassedOver, turn: NextAgent, *, has_worked: bool = False) -> None:
    """Give the next agent its turn. What daemons have refused because of the one before counts no more. `has_worked`:
    that one has ended the attempt; else the next one goes on in it.
    """
    agents, before = task.agents, name_of(draft.state, task)
    passed = passed.model_copy(update={"why": passed.why[:MOST_WHY]})
    over = {name: each for name, each in (agents.passed_over | {before: passed}).items() if name != turn.agent.name}
    about = agents.refused_by
    told = {
        "name": turn.agent.name,
        "away_since": None,
        "away_until": None,
        "passed_over": over,
        "refused_by": {},
        "before": HandedOver(agent=before, reason=f"{passed.away}: {passed.why}", attempt=_worked_in(task, has_worked)),
    }
    draft.task(
        task.id,
        status=TaskStatus.WAITING if turn.at else TaskStatus.PENDING,
        wait_until=turn.at,
        reason=f"{turn.agent.name} goes on in place of {before} ({passed.away}: {passed.why})"[:MOST_WHY],
        agents=agents.model_copy(update=told),
        refusals={daemon: why for daemon, why in task.refusals.items() if daemon not in about},
        refused_until={daemon: at for daemon, at in task.refused_until.items() if daemon not in about},
        dispatch=task.dispatch if turn.at else task.dispatch + 1,
        daemon="",
        delivery="",
    )
    when = f", at {turn.at:%Y-%m-%d %H:%M} UTC" if turn.at else ""
    why = f"{before} → {turn.agent.name}{when}: {passed.away}: {passed.why}"
    draft.event(EventName.AGENT_REPLACED, why[:MOST_WHY], task=task.id, step=task.step)


def _worked_in(task: Task, has_worked: bool) -> int:
    """The attempt that holds what agents have done: an earlier one, where none has worked in this one yet."""
    before = task.agents.before
    return task.attempt if has_worked or task.agents.used_in_attempt or before is None else before.attempt


def look_again(draft: Draft, before: State) -> None:
    """The lists were edited: each begins anew for a task that no agent works at, and one that waits for an agent looks
    at once who may go on.
    """
    for task in draft.state.live():
        listed = agents_of(draft.state, task)
        if listed == agents_of(before, task) or task.status in (TaskStatus.STARTING, TaskStatus.RUNNING):
            continue
        draft.task(task.id, agents=task.agents.model_copy(update={"name": ""}))
        if task.status is TaskStatus.WAITING and _waits_for_agent(task) and task.wait_until:
            draft.task(task.id, wait_until=draft.now)


def _waits_for_agent(task: Task) -> bool:
    return bool(task.agents.away_until or task.agents.passed_over)


def passed_over(task: Task) -> Iterator[str]:
    """The agents in whose place another one goes on, a line each."""
    for name, passed in task.agents.passed_over.items():
        until = f" until {passed.until:%Y-%m-%d %H:%M} UTC" if passed.until else ""
        yield f"{name} {passed.away}{until}: {passed.why}"
