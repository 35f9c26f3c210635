"""`makima directive …`: what an agent calls in its shell (SPEC 3.1). It needs its task folder and nothing else."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import typer

from cli.usage import run_typed
from domain.errors import MakimaError, Refused
from domain.handover import CONTEXT_FILE, HANDOVER_FILE, LOCK_FILE, TASK_FOLDER, Handover, TaskContext, remove_step
from domain.models import TaskKind
from domain.plan import PlannedStep, add_steps, read_planned
from domain.spawn_task import KnownStep

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
directive = typer.Typer(no_args_is_help=True, help="Plan a directive, or finish a step of it.")
app.add_typer(directive, name="directive")


@app.callback()
def _makima() -> None:
    """Commands for coding agents that work on a Makima task."""


def _folder() -> Path:
    named = os.environ.get(TASK_FOLDER)
    if not named:
        raise Refused(f"{TASK_FOLDER} is not set: this command is for agents that Makima has started")
    return Path(named)


def _context() -> TaskContext:
    return TaskContext.model_validate_json((_folder() / CONTEXT_FILE).read_bytes())


def _handover(folder: Path) -> Handover:
    file = folder / HANDOVER_FILE
    return Handover.model_validate_json(file.read_bytes()) if file.exists() else Handover()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two commands at once never lose one (SPEC 3.4): the second waits here."""
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _change(step: Callable[[Handover, TaskContext], Handover]) -> Handover:
    """Replace the handover by what `step` makes of it; where it refuses, nothing has changed."""
    folder, context = _folder(), _context()
    with _alone(folder):
        changed = step(_handover(folder), context)
        fresh = folder / f"{HANDOVER_FILE}.new"
        fresh.write_text(changed.model_dump_json())
        fresh.replace(folder / HANDOVER_FILE)
    return changed


def _add(planned: list[PlannedStep]) -> None:
    """Add steps and print their ids, a line each."""

    def step(handover: Handover, context: TaskContext) -> Handover:
        if context.kind is not TaskKind.PLANNING:
            raise Refused("only the planner adds steps")
        plan = add_steps(
            handover.plan, planned, generation=context.generation, known=context.context.steps, new_id=uuid4
        )
        return handover.model_copy(update={"plan": plan})

    for added in _change(step).plan.add[-len(planned) :] if planned else ():
        typer.echo(str(added.id))


@directive.command("add-step")
def add_step(
    name: str,
    description: str = "",
    task_plan: Annotated[str, typer.Option(help="Everything that the step's agent has to know.")] = "",
    depends_on: Annotated[str, typer.Option(help="Ids or names, separated by commas.")] = "",
    order_index: Annotated[int, typer.Option(help="The step's phase.")] = 0,
) -> None:
    """Add one step to the plan and print its id."""
    others = tuple(other.strip() for other in depends_on.split(",") if other.strip())
    _add(
        [
            PlannedStep(
                name=name, description=description, task_plan=task_plan, depends_on=others, order_index=order_index
            )
        ]
    )


@directive.command("batch-add-steps")
def batch_add_steps(json_: Annotated[str, typer.Option("--json", help="A JSON list of steps; - reads it.")]) -> None:
    """Add several steps, all or none, and print their ids in order."""
    text = sys.stdin.read() if json_ == "-" else json_
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(f"--json is not JSON: {error}") from error
    _add(read_planned(entries))


@directive.command("remove-step")
def remove(step: UUID) -> None:
    """Take a step out of the plan."""
    _change(lambda handover, context: remove_step(handover, context, step))


@directive.command("status")
def status() -> None:
    """List the steps there are and those that this plan adds, as JSON."""
    context, handover = _context(), _handover(_folder())
    new = [
        KnownStep(
            id=step.id,
            name=step.name,
            generation=step.generation,
            status="planned",
            finished=False,
            running=False,
            depends_on=step.depends_on,
        )
        for step in handover.plan.add
    ]
    shown = [step.model_dump(mode="json") for step in [*context.context.steps, *new]]
    typer.echo(json.dumps({"steps": shown, "removed": [str(step) for step in handover.plan.remove]}, indent=2))


@directive.command("done")
def done(nothing_to_do: Annotated[str, typer.Option(help="Why nothing had to be changed.")] = "") -> None:
    """Say that the task is done."""
    _change(lambda handover, _: handover.model_copy(update={"done": True, "nothing_to_do": nothing_to_do}))


@directive.command("fail")
def fail(reason: str) -> None:
    """Give up, with the reason."""
    _change(lambda handover, _: handover.model_copy(update={"gave_up": reason}))


def main() -> None:
    """The console script `makima`: a refused call says why in one line and exits 2."""
    try:
        code = run_typed(app)
    except MakimaError as error:
        sys.stderr.write(f"makima: {error}\n")
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
