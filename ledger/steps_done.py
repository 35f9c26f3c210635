"""What a repository's steps have used, as planners and operators are told it."""

from __future__ import annotations

from domain.experience import KEPT, StepDone
from domain.usage import Rate, Usage, rate_of
from ledger.pool import Database
from ledger.statements import model_of, statements


async def steps_done(pool: Database, owner: str, repository: str) -> tuple[StepDone, ...]:
    """The latest completed ones; raises what the driver raises."""
    found = statements().steps_done(pool, owner=owner, repository=repository, most=KEPT)
    rows = [row async for row in found]
    return tuple(StepDone(name=row["name"], attempts=row["attempts"], usage=model_of(Usage, row)) for row in rows)


async def rates(pool: Database, owner: str, repository: str) -> dict[str, Rate]:
    """Agent → what it has cost there, where it has told all; raises what the driver raises."""
    found = statements().costs_told(pool, owner=owner, repository=repository, most=KEPT)
    told: dict[str, Usage] = {}
    async for row in found:
        for agent, used in (row["agents"] or {}).items():
            usage = Usage.model_validate(used)
            if not usage.cost_unknown:
                told[agent] = told.get(agent, Usage()) + usage
    return {agent: rate for agent, usage in told.items() if (rate := rate_of(usage))}
