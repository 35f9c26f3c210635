"""What the record knows of earlier steps of a directive's repository; while it is away, a directive does without."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.ledger import LedgerActivities
    from domain.experience import RepositoryNamed, StepDone
    from domain.models import Directive, State, Task
    from domain.statuses import TaskKind
    from domain.usage import Rate
    from workflows.options import FIND_RATES, FIND_STEPS_DONE
    from workflows.patches import Patch, patched

Found = TypeVar("Found")


async def steps_done(directive: Directive, task: Task) -> Sequence[StepDone]:
    """What earlier steps of the repository have cost, for a planner."""
    if task.kind is not TaskKind.PLANNING or not patched(Patch.PLANNERS_TOLD_COSTS):
        return ()
    return await _found(LedgerActivities.find_steps_done, directive, FIND_STEPS_DONE) or ()


async def rates(state: State) -> dict[str, Rate] | None:
    """Agent → what it has cost there, where a budget of money needs to know; None: it is not asked."""
    if not state.directive.settings.budget.cost_usd or state.budgeting.rates is not None:
        return None
    if not patched(Patch.UNKNOWN_COSTS_COUNT):
        return None
    return await _found(LedgerActivities.find_rates, state.directive, FIND_RATES) or {}


async def _found(
    find: Callable[[Any, RepositoryNamed], Awaitable[Found]], directive: Directive, options: dict[str, Any]
) -> Found | None:
    wanted = RepositoryNamed(owner=directive.owner, repository=directive.repository)
    try:
        found: Found = await workflow.execute_activity_method(find, wanted, **options)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return None
    return found
