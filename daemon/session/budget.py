"""Whether an attempt has used what it may, and whether that can be known at all (rule 5.7); pure."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from daemon.agents import ConfiguredAgent
from daemon.agents.base import AgentResult, AgentRun, StreamSummary, failed
from daemon.agents.stream_events import Ending
from daemon.session.session_folder import SessionNote
from domain.directive_settings import Limits
from domain.failures import FailureCategory

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


def overspent(agent: ConfiguredAgent, limits: Limits, run: AgentRun, seen: StreamSummary) -> str:
    """Why a run must be stopped whose program keeps no such limit itself; empty: it may go on."""
    if not agent.counts_turns and run.turns and seen.turns >= run.turns:
        return f"it has called as many tools as it may take turns: {limits.turns}"
    if not agent.counts_cost and run.cost_usd and seen.totals.cost_usd >= run.cost_usd:
        return f"it has cost {limits.cost_usd - run.cost_usd + seen.totals.cost_usd:.2f} of {limits.cost_usd:.2f} USD"
    return ""


def unbounded(agent: ConfiguredAgent, limits: Limits, run: AgentRun) -> str:
    """Which limits can't be kept, and why; empty: they can, or there are none."""
    told = []
    if limits.cost_usd and (problem := agent.cost_problem(run.model)):
        told.append(f"--max-cost is not kept: {problem}")
    if limits.turns and agent.has_model and not agent.has_sessions:
        told.append("--max-turns is not kept: this agent tells of no turns")
    return "; ".join(told)


def over_budget(reason: str) -> AgentResult:
    return failed(Ending.BUDGET, FailureCategory.BUDGET, reason)


def with_what_follows(result: AgentResult, task: UUID) -> AgentResult:
    """The result, with what a person can do where it has used all that it may: nothing follows by itself."""
    if result.ending is not Ending.BUDGET or result.failure is None:
        return result
    report = f"{result.failure.report}\n{_WHAT_FOLLOWS.format(task=task)}"
    return replace(result, failure=result.failure.model_copy(update={"report": report}))
