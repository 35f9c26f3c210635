"""Whether an attempt has used what it may, and whether that can be known at all (rules 5.7, 2.10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from daemon.agents import ConfiguredAgent
from daemon.agents.base import AgentResult, AgentRun, StreamSummary, failed
from daemon.agents.stream_events import Ending
from daemon.session.session_folder import SessionNote
from domain.budget import LEAST, USED_UP, Budget
from domain.day_budget import DayStanding
from domain.directive_settings import Limits
from domain.failures import FailureCategory
from domain.usage import Usage

AGAIN = timedelta(minutes=5)
"""After which a task that was handed back is tried again, should its directive have something left after all."""
_TODAY = """\
## Budget of the day
All directives together may use no more today than this leaves. What doesn't fit waits until midnight (UTC):"""
_WHAT_FOLLOWS = """\
What it has done is saved: `python -m daemon restore {task}` lays it out. Nothing more is tried by itself; `starter.py
retry-step` begins another attempt, which may use as much again."""


def spent(limits: Limits, note: SessionNote) -> str:
    """Why no further run may begin; empty: one may."""
    if limits.cost_usd and note.usage.cost_usd >= limits.cost_usd:
        return f"it has cost {note.usage.cost_usd:.2f} of {limits.cost_usd:.2f} USD"
    if limits.turns and note.turns >= limits.turns:
        return f"it has taken {note.turns} of {limits.turns} turns"
    return ""


def overspent(agent: ConfiguredAgent, limits: Limits, run: AgentRun, seen: StreamSummary, used: Usage) -> str:
    """Why a run must be stopped whose program keeps no such limit itself; empty: it may go on. `used`: in its attempt,
    of which the run is a part.
    """
    if not agent.counts_turns and run.turns and seen.turns >= run.turns:
        return f"it has called as many tools as it may take turns: {limits.turns}"
    if limits.cost_usd and not agent.counts_cost and used.cost_usd >= limits.cost_usd:
        return f"it has cost {used.cost_usd:.2f} of {limits.cost_usd:.2f} USD"
    kept_by_itself = {"cost_usd": 0} if agent.counts_cost else {}
    return share_used_up(limits.model_copy(update={"budget": limits.budget.model_copy(update=kept_by_itself)}), used)


def unbounded(agent: ConfiguredAgent, limits: Limits, run: AgentRun) -> str:
    """Which limits can't be kept, and why; empty: they can, or there are none."""
    told = []
    if limits.cost_usd and (problem := agent.cost_problem(run.model)):
        told.append(f"--max-cost is not kept: {problem}")
    if limits.turns and agent.has_model and not agent.has_sessions:
        told.append("--max-turns is not kept: this agent tells of no turns")
    if limits.budget.cost_usd and not limits.cost_usd and (problem := agent.cost_problem(run.model)):
        told.append(f"the directive's budget is kept by an estimate: {problem}")
    return "; ".join(told)


def share_used_up(limits: Limits, used: Usage) -> str:
    """Why the attempt is handed back: its directive's budget has no more for it; empty: it has, or there is none."""
    if not limits.budget or not limits.budget.is_used_up(limits.rate.with_guess(used)):
        return ""
    return USED_UP


def money_left(limits: Limits, used: Usage) -> float:
    """USD that a run may cost, by the attempt's own limit and the directive's; 0: neither bounds it."""
    bounds = [bound for bound in (limits.cost_usd, limits.budget.cost_usd) if bound]
    return max(min(bounds) - used.cost_usd, 0) if bounds else 0


def is_handed_back(result: AgentResult, limits: Limits, note: SessionNote) -> bool:
    """Whether it was stopped for its directive's budget, not for what it may use itself."""
    return result.ending is Ending.BUDGET and bool(limits.budget) and not spent(limits, note)


@asynccontextmanager
async def timed(limits: Limits, used: Usage, stop: Callable[[str], None]) -> AsyncIterator[None]:
    """While a program runs: stop it when its directive's time is used up, also where it says nothing."""
    left = limits.budget.seconds - used.seconds
    loop = asyncio.get_running_loop()
    ending = loop.call_later(left, stop, USED_UP) if limits.budget.seconds else None
    try:
        yield
    finally:
        if ending:
            ending.cancel()


def day_note(prompt: str, limits: Limits, today: Iterable[DayStanding]) -> str:
    """The prompt of a planner, with each budget of the day of which less is left than of its directive's own."""
    short = [each for each in today if _is_short(each.left(), limits.budget)]
    told = "\n".join(f"- {each.told} is used" for each in short)
    return f"{prompt.rstrip()}\n\n{_TODAY}\n{told}" if told else prompt


def _is_short(left: Budget, own: Budget) -> bool:
    """Whether less is left of any bound."""
    bounds = [(getattr(left, name), getattr(own, name)) for name in LEAST]
    return any(today and (not whole or today < whole) for today, whole in bounds)


def over_budget(reason: str) -> AgentResult:
    return failed(Ending.BUDGET, FailureCategory.BUDGET, reason)


def with_what_follows(result: AgentResult, task: UUID) -> AgentResult:
    """The result, with what a person can do where it has used all that it may: nothing follows by itself."""
    if result.ending is not Ending.BUDGET or result.failure is None:
        return result
    report = f"{result.failure.report}\n{_WHAT_FOLLOWS.format(task=task)}"
    return replace(result, failure=result.failure.model_copy(update={"report": report}))
