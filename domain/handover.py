"""What an agent hands to its daemon through the commands it calls in its shell (SPEC 3.1)."""

from __future__ import annotations

from uuid import UUID

from domain.errors import Refused
from domain.models import TaskKind, Value
from domain.spawn_task import CommandContext, PlanChanges

CONTEXT_FILE = "context.json"
HANDOVER_FILE = "handover.json"
LOCK_FILE = "handover.lock"
TASK_FOLDER = "MAKIMA_TASK_DIR"
"""The environment variable that names the task folder: all that the agent's commands need."""


class TaskContext(Value):
    """Written by the daemon before the agent starts; the commands answer from it."""

    task: UUID
    kind: TaskKind
    generation: int
    context: CommandContext


class Handover(Value):
    """Written by the agent's commands, read by the daemon when the agent has ended."""

    plan: PlanChanges = PlanChanges()
    done: bool = False
    nothing_to_do: str = ""
    gave_up: str = ""


def remove_step(handover: Handover, context: TaskContext, identity: UUID) -> Handover:
    """Take a step out of the plan, or mark an existing one for removal; refused where another needs it (SPEC 4.5)."""
    plan = handover.plan
    existing = {step.id: step for step in context.context.steps}
    if identity in existing:
        if existing[identity].finished:
            raise Refused(f"step {existing[identity].name!r} has finished and can't be removed")
        changed = PlanChanges(add=plan.add, remove=tuple(dict.fromkeys([*plan.remove, identity])))
    elif any(step.id == identity for step in plan.add):
        changed = PlanChanges(add=tuple(step for step in plan.add if step.id != identity), remove=plan.remove)
    else:
        raise Refused(f"there is no step {identity}; `makima directive status` lists them")
    needed_by = [step.name for step in changed.add if identity in step.depends_on]
    needed_by += [
        step.name
        for step in existing.values()
        if identity in step.depends_on and not step.finished and step.id not in changed.remove
    ]
    if needed_by:
        raise Refused(f"step {needed_by[0]!r} depends on it: remove that one first")
    return handover.model_copy(update={"plan": changed})
