"""Logs as an operator reads them: each delivery's under a line that says whose it is and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import typer

from cli.operator.printing import print_raw
from domain.logged import DeliveryTold, LogPiece
from domain.models import Task
from domain.reports import LATELY
from domain.usage import duration

Silent = Mapping[str, timedelta]
"""Daemon → how long nothing was heard of it."""


class LogPrinter:
    """Prints pieces of logs as they come, those of each delivery under its header."""

    def __init__(self, silent: Silent, *, raw: bool, times: bool) -> None:
        """`silent`: as it is now; the caller may keep it up to date."""
        self._print = print_raw if raw else _echo
        self._times = times
        self._silent = silent
        self._standing: dict[tuple[UUID, str], str] = {}
        self._shown: tuple[UUID, str] | None = None
        self._in_line = False

    def print_header(self, task: Task, delivery: DeliveryTold) -> None:
        """Print its header where that was not yet, or where it stands otherwise than it did."""
        standing = _standing(task, delivery, self._silent)
        if self._standing.get(_key(task, delivery)) != standing:
            self._head(task, delivery)
            self._standing[_key(task, delivery)] = standing

    def take(self, task: Task, delivery: DeliveryTold, piece: LogPiece) -> None:
        if self._shown != _key(task, delivery):
            self._head(task, delivery)
        for line in _lines(piece.text):
            stamp = f"{piece.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} " if self._times and not self._in_line else ""
            self._print(f"{stamp}{line}")
            self._in_line = not line.endswith("\n")

    def empty(self, task: Task) -> None:
        """The task has printed nothing, and no start of it was told."""
        self._line(f"--- {task.name} ({task.status}, attempt {task.attempt})")

    def _head(self, task: Task, delivery: DeliveryTold) -> None:
        self._line(header(task, delivery, self._silent))
        self._shown = _key(task, delivery)

    def _line(self, line: str) -> None:
        # No agent's last words, without a line's end, are to swallow a header.
        typer.echo("\n" * self._in_line + line)
        self._in_line = False


class JsonPrinter:
    """Prints each piece as an object on a line of its own."""

    def print_header(self, task: Task, delivery: DeliveryTold) -> None:
        """Every piece says whose it is."""

    def take(self, task: Task, delivery: DeliveryTold, piece: LogPiece) -> None:
        from cli.operator import json_shapes  # noqa: PLC0415 - a twentieth of a command's start

        told = {"attempt": delivery.attempt, "delivery": delivery.delivery, "at": piece.at, "text": piece.text}
        typer.echo(json_shapes.LogPieceShown(id=task.id, name=task.name, **told).model_dump_json())


def header(task: Task, delivery: DeliveryTold, silent: Silent) -> str:
    """The line above a delivery's log."""
    where = f" on {delivery.daemon}" if delivery.daemon else ""
    by = f" by {delivery.agent}" if delivery.agent else ""
    about = f"--- {task.name}, attempt {delivery.attempt}, delivery {delivery.delivery}{where}{by}"
    begun, standing = _second(delivery.begun), _standing(task, delivery, silent)
    when = f"{begun} to {_second(delivery.ended)}" if delivery.ended else f"since {begun}"
    heard = f", last heard {duration(silent[delivery.daemon].total_seconds())} ago" if standing == GONE else ""
    return f"{about}, {when}: {standing}{heard}"


GONE = "its daemon is gone"


def _standing(task: Task, delivery: DeliveryTold, silent: Silent) -> str:
    if delivery.how:
        return delivery.how
    if not task.status.is_live:
        return "nobody has told how it ended"
    return GONE if silent.get(delivery.daemon, timedelta()) > LATELY else "under way"


def _key(task: Task, delivery: DeliveryTold) -> tuple[UUID, str]:
    return task.id, f"{delivery.attempt} {delivery.delivery}"


def _second(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _lines(text: str) -> Iterator[str]:
    """With their ends: other than `splitlines` by nothing but line feeds."""
    *whole, rest = text.split("\n")
    yield from (f"{line}\n" for line in whole)
    if rest:
        yield rest


def _echo(text: str) -> None:
    typer.echo(text, nl=False)
