"""What a write of the record leaves, as a state again: ledger/state_rows.py does it with rows."""

from __future__ import annotations

from domain.models import DirectiveRow, State, Step, Task


def restored(row: DirectiveRow, steps: tuple[Step, ...], tasks: tuple[Task, ...]) -> State:
    """The state that was written as these rows (design 3: state → rows → state is the same state)."""
    return State(**dict(row), steps={step.id: step for step in steps}, tasks={task.id: task for task in tasks})
