"""How an agent hears that its work can't be merged with what runs beside it (rule 6.14): in its next round."""

from __future__ import annotations

from dataclasses import replace

from daemon.judgement.check import Fault
from daemon.session.radar import Radar
from daemon.session.runs import AgentRuns
from daemon.tasks.verification import Judged
from domain.failures import FailureCategory
from domain.spawn_task import OutcomeStatus


def without_advice(judged: Judged, rounds: int) -> Judged:
    """The same, where there is a round left in which the agent could take advice; pure."""
    return replace(judged, fault=None) if judged.fault and judged.fault.is_advice and not rounds else judged


async def with_clashes(radar: Radar | None, judged: Judged, rounds: int, runs: AgentRuns | None) -> Fault | None:
    """What is wrong with the work, with all clashes that its agent has not heard of yet; for them alone sound work goes
    back, too, where the agent's `runs` have a session, and no round is lost by that. Nobody who has no `rounds` hears
    of them.
    """
    found, outcome = judged.fault, judged.outcome
    if radar is None or not rounds or outcome.status is not OutcomeStatus.COMPLETED or outcome.work is None:
        return found
    await radar.look_at(outcome.work.head)
    # A program without a session would do all of its task again, and this work is sound.
    if found is None and not (runs and runs.has_session):
        return None
    line, note = radar.news()
    if found and note:
        return replace(found, note=f"{found.note}\n{note}")
    return Fault(FailureCategory.CONFLICT, line, note, is_advice=True, takes_round=False) if note else found
