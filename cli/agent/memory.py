"""`makima directive memory-…`: what a directive's agents keep for each other (rules 1, 3.1)."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from pydantic import ValidationError

from cli.agent.folder import AgentFolder
from cli.agent.piped import read_text
from domain.errors import Refused
from domain.handover import delete_memory, memories, set_memory
from domain.models import Memory
from domain.problems import first_problem

app = typer.Typer()
Key = Annotated[str, typer.Argument()]


def _all() -> dict[str, Memory]:
    folder = AgentFolder.find()
    return memories(folder.handover(), folder.context())


@app.command()
def memory_set(
    key: Key,
    value: Annotated[str, typer.Argument(help="The text; - reads it.")],
    category: str = "",
) -> None:
    """Remember something for the agents that come after."""
    entry = _entry(key, read_text() if value == "-" else value, category)
    AgentFolder.find().change(lambda handover, context: set_memory(handover, context, entry))


@app.command()
def memory_get(key: Key) -> None:
    """Print what is remembered under a key."""
    found = _all().get(key)
    if found is None:
        raise Refused(f"there is no memory {key!r}")
    typer.echo(found.value)


@app.command()
def memory_list(category: Annotated[str, typer.Option(help="Only these.")] = "") -> None:
    """List all that is remembered, as JSON."""
    entries = [entry for entry in _all().values() if category in ("", entry.category)]
    typer.echo(json.dumps([entry.model_dump() for entry in entries], indent=2))


@app.command()
def memory_delete(key: Key) -> None:
    """Forget what is under a key."""
    AgentFolder.find().change(lambda handover, context: delete_memory(handover, context, key))


def _entry(key: str, value: str, category: str) -> Memory:
    try:
        return Memory(key=key, value=value, category=category)
    except ValidationError as error:
        raise Refused(f"the memory's {first_problem(error)}") from error
