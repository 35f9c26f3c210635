"""How every command prints: lines for people, one JSON object of a documented shape for programs (docs/json.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer
from pydantic import BaseModel


def say(lines: Iterable[str], *, err: bool = False) -> None:
    for line in lines:
        typer.echo(line, err=err)


def say_json(shown: BaseModel, **exclude: Any) -> None:
    """On one line."""
    typer.echo(shown.model_dump_json(**exclude))
