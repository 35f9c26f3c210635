"""What a repository's steps have used, as planners and operators are told it."""

from __future__ import annotations

from domain.experience import KEPT, StepDone
from domain.usage import Usage
from ledger.pool import Database
from ledger.rows import model_of
from ledger.statements import statements


async def steps_done(pool: Database, owner: str, repository: str) -> tuple[StepDone, ...]:
    """The latest completed ones; raises what the driver raises."""
    found = statements().steps_done(pool, owner=owner, repository=repository, most=KEPT)
    rows = [row async for row in found]
    return tuple(StepDone(name=row["name"], attempts=row["attempts"], usage=model_of(Usage, row)) for row in rows)
