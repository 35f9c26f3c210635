"""`makima directive …` for the planner: the plan's steps, one by one or all at once (rule 3.1)."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.agent.folder import AgentFolder
from cli.agent.piped import read_text
from domain.documents import read_relaxed_json
from domain.errors import DocumentBroken, Refused
from domain.handover import Handover, TaskContext, add, remove_step, set_dependencies
from domain.names import planned_step
from domain.plan import PlannedStep, read_planned
from domain.plan_shape import entries_of

app = typer.Typer()
Others = Annotated[str, typer.Option(help="Ids or names, separated by commas.")]


def listed(text: str) -> tuple[str, ...]:
    """The parts of a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _add(planned: list[PlannedStep]) -> None:
    """Add steps and print their ids, a line each."""

    def added(handover: Handover, context: TaskContext) -> Handover:
        ids = iter([planned_step(context.task, step.name.strip()) for step in planned])
        return add(handover, context, planned, lambda: next(ids))

    changed = AgentFolder.find().change(added)
    for step in changed.plan.add[-len(planned) :] if planned else ():
        typer.echo(str(step.id))


@app.command()
def add_step(
    name: str,
    description: str = "",
    task_plan: Annotated[str, typer.Option(help="Everything that the step's agent has to know.")] = "",
    depends_on: Others = "",
    order_index: Annotated[int, typer.Option(help="The step's phase.")] = 0,
    label: Annotated[str, typer.Option(help="What kind of machine it needs, if any.")] = "",
    agent: Annotated[str, typer.Option(help="Its agent, where you may choose one; or a list: a,b.")] = "",
    model: Annotated[str, typer.Option(help="That agent's model, where you may choose one.")] = "",
) -> None:
    """Add one step to the plan and print its id."""
    step = PlannedStep(
        name=name,
        description=description,
        task_plan=task_plan,
        depends_on=listed(depends_on),
        order_index=order_index,
        label=label,
        agent=listed(agent),
        model=model,
    )
    _add([step])


@app.command()
def batch_add_steps(json_: Annotated[str, typer.Option("--json", help="A JSON list of steps; - reads it.")]) -> None:
    """Add several steps, all or none, and print their ids in order."""
    text = read_text() if json_ == "-" else json_
    try:
        entries = read_relaxed_json(text)
    except DocumentBroken as broken:
        raise Refused(f"--json is not JSON: {broken}") from broken
    _add(read_planned(entries_of(entries) if isinstance(entries, list | dict) else entries))


@app.command("remove-step")
def remove(step: Annotated[str, typer.Argument(help="Its id or name.")]) -> None:
    """Take a step out of the plan, or remove an existing one that has not finished."""
    AgentFolder.find().change(lambda handover, context: remove_step(handover, context, step))


@app.command()
def set_deps(
    step: Annotated[str, typer.Argument(help="Its id or name.")],
    depends_on: Annotated[list[str] | None, typer.Argument(help="Ids or names; none: it depends on nothing.")] = None,
    depends_on_list: Annotated[str, typer.Option("--depends-on", help="The same, separated by commas.")] = "",
) -> None:
    """Replace what a step depends on, as long as it has not started."""
    others = [other for given in (*(depends_on or ()), depends_on_list) for other in listed(given)]
    AgentFolder.find().change(lambda handover, context: set_dependencies(handover, context, step, others))


@app.command()
def status() -> None:
    """List the steps there are and what this plan changes, as JSON."""
    folder = AgentFolder.find()
    typer.echo(json.dumps(_shown(folder.handover(), folder.context()), indent=2))


def _shown(handover: Handover, context: TaskContext) -> dict[str, object]:
    """Nothing in it is called "steps": a log that holds it must not be taken for a chain plan (rule 3.3)."""
    fields = {"id", "name", "order_index", "depends_on", "label"}
    plan = handover.plan
    return {
        "generation": context.generation,
        "existing": [step.model_dump(mode="json") for step in context.context.steps],
        "added": [step.model_dump(mode="json", include=fields) for step in plan.add],
        "removed": [str(step) for step in plan.remove],
        "dependencies_set": [entry.model_dump(mode="json") for entry in plan.set_deps],
        "done": handover.done,
    }
