"""Whether an attempt has used what it may, and whether that can be known at all (SPEC 5.7); pure."""

from __future__ import annotations

from daemon.agents import ConfiguredAgent
from daemon.agents.base import AgentRun, Seen
from daemon.agents.coding import CodingAgent
from daemon.sessions import SessionNote
from domain.settings import Limits


def spent(limits: Limits, note: SessionNote) -> str:
    """Why no further run may begin; empty: one may."""
    if limits.cost_usd and note.usage.cost_usd >= limits.cost_usd:
        return f"it has cost {note.usage.cost_usd:.2f} of {limits.cost_usd:.2f} USD"
    if limits.turns and note.turns >= limits.turns:
        return f"it has taken {note.turns} of {limits.turns} turns"
    return ""


def overspent(agent: ConfiguredAgent, limits: Limits, run: AgentRun, seen: Seen) -> str:
    """Why a run must be stopped whose program keeps no such limit itself; empty: it may go on."""
    if not isinstance(agent, CodingAgent):
        return ""
    if not agent.counts_turns and run.turns and seen.turns >= run.turns:
        return f"it has called as many tools as it may take turns: {limits.turns}"
    if not agent.counts_cost and run.cost_usd and seen.totals.cost_usd >= run.cost_usd:
        return f"it has cost {limits.cost_usd - run.cost_usd + seen.totals.cost_usd:.2f} of {limits.cost_usd:.2f} USD"
    return ""


def unbounded(agent: ConfiguredAgent, limits: Limits, run: AgentRun) -> str:
    """Why the limit of cost can't be kept; empty: it can, or there is none."""
    if not limits.cost_usd:
        return ""
    if not isinstance(agent, CodingAgent):
        return "--max-cost is not kept: nobody knows what this agent costs"
    if agent.counts_cost or agent.price(run):
        return ""
    return f"--max-cost is not kept: no price is known for {run.model or agent.model or 'its model'} (docs/agents.md)"
