"""The plan that a planner has left: by its commands, in an artifact, or in what it said last (rule 3.3)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

from daemon.tasks.start import Start
from daemon.workspace.handing_over import read_artifact
from domain.chain_plan import plan_artifact, read_chain_plan, read_plan_file
from domain.errors import NoPlanFound, PlanRefused
from domain.failures import Failure, FailureCategory
from domain.handover import Handover
from domain.models import PlanChanges
from domain.plan import add_steps
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask, failed

LAST_WORDS = 1024 * 1024
"""Bytes of the end of its output in which a plan is looked for."""


async def planned(
    command: SpawnTask, start: Start, said: Handover, failure: Failure | None, folder: Path, last_words: str
) -> Outcome:
    """How a planning task ends whose steps start from the commit `start.base`. Raises HandoverBroken."""
    if failure:
        return failed(command, failure.category, failure.report)
    try:
        # In a thread: looking for JSON in a long text takes its time.
        plan = await asyncio.to_thread(left_plan, said, command, folder, last_words)
    except PlanRefused as refused:
        return failed(command, FailureCategory.PLAN, str(refused))
    return Outcome(
        task=command.task,
        attempt=command.attempt,
        status=OutcomeStatus.COMPLETED,
        base_commit=start.base,
        base_branch=start.base_branch,
        plan=plan,
        summary=said.nothing_to_do,
    )


def left_plan(handover: Handover, command: SpawnTask, folder: Path, last_words: str) -> PlanChanges:
    """The changes that the planner wants; empty where it left nothing that looks like a plan.

    Commands win, and a reason for nothing to do is an answer, too. PlanRefused, naming where the plan stands, where it
    breaks a rule of rule 3.4, or where an artifact was handed over that holds none; HandoverBroken.
    """
    if not handover.plan.is_empty or handover.nothing_to_do:
        return handover.plan
    artifact = plan_artifact(handover.artifacts)
    where = f"artifact {artifact!r}" if artifact else "the final message"
    try:
        planned = read_plan_file(artifact, read_artifact(folder, artifact)) if artifact else read_chain_plan(last_words)
        known, may = command.context.steps, command.context.agents
        return add_steps(PlanChanges(), planned, generation=command.generation, known=known, new_id=uuid4, agents=may)
    except PlanRefused as refused:
        if isinstance(refused, NoPlanFound) and not artifact:
            return PlanChanges()
        raise PlanRefused(f"in {where}: {refused}") from refused
