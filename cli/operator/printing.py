"""How every command prints: lines for people, one JSON object of a documented shape for programs (docs/json.md)."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

import typer
from pydantic import BaseModel

from runtime.terminal import as_called, unguarded

if TYPE_CHECKING:
    from rich.console import Console


def print_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """In one write: each is flushed, and a list may have ten thousand lines."""
    typer.echo("".join(f"{as_called(line)}\n" for line in lines), nl=False, err=err)


def print_json(shown: BaseModel, **exclude: Any) -> None:
    """On one line."""
    typer.echo(shown.model_dump_json(**exclude))


def print_raw(text: str) -> None:
    """As it is, with whatever it does to a terminal: the operator has typed --raw."""
    unguarded().write(text)


def frames() -> TextIO:
    """Stdout for a protocol: guarded as ever, for what is escaped in JSON is the same JSON; UTF-8 wherever it goes."""
    stream = unguarded()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")
    return sys.stdout


def console() -> Console:
    """For colours and trees: rich's own escapes reach the terminal, the texts in between are made visible."""
    from cli.operator.guarded_console import GuardedConsole  # noqa: PLC0415 - rich takes a tenth of a second

    return GuardedConsole(file=unguarded())
