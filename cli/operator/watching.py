"""Looking at a directive until it rests: `watch`, and `start --wait`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import typer

from cli.operator import show
from cli.operator.commands import Commands, Id, Json
from cli.operator.directives import Look
from domain.errors import NotReachable
from domain.models import DirectiveStatus, StepStatus
from domain.view import DirectiveView

LOOK_EVERY = 0.5
"""Seconds between two looks."""
RESTING = (DirectiveStatus.DRAFT, DirectiveStatus.IDLE, DirectiveStatus.PAUSED)

Say = Callable[[DirectiveView | None, DirectiveView], None]
"""Is told what was seen before (None: nothing) and what is seen now."""


class WatchCommands(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command()(self.watch)

    def watch(self, directive: Id, as_json: Json = False) -> None:
        """Print a line for every change until the directive rests or is closed; with --json, the whole view as one.

        Example: starter.py watch 3f2a
        """
        self.run(self._watch(directive, as_json=as_json))

    async def _watch(self, reference: str, *, as_json: bool) -> int:
        async with self.directives() as directives:
            found = await directives.find(reference)
            look = await until_rest(partial(directives.look_at, *found), say_views if as_json else say_changes)
        if not as_json:
            typer.echo(f"{look.seen.title}: {show.lost_note(look.lost) if look.lost else look.seen.status}")
        return exit_code(look)


async def until_rest(look_now: Callable[[], Awaitable[Look[DirectiveView]]], say: Say) -> Look[DirectiveView]:
    """Look until the directive rests, is closed or is lost, telling every change."""
    before: DirectiveView | None = None
    while True:
        try:
            look = await look_now()
        except NotReachable:
            await asyncio.sleep(LOOK_EVERY)  # started a moment ago, or its worker is being started again
            continue
        say(before, look.seen)
        before = look.seen
        if look.lost or (look.live and (before.status.is_final or before.status in RESTING)):
            return look
        await asyncio.sleep(LOOK_EVERY)


def say_changes(before: DirectiveView | None, now: DirectiveView) -> None:
    """A line for everything that differs."""
    for line in show.changes(before, now):
        typer.echo(line)


def say_views(before: DirectiveView | None, now: DirectiveView) -> None:
    """The whole view on one line of JSON, where anything differs."""
    if before != now:
        typer.echo(now.model_dump_json())


def silence(before: DirectiveView | None, now: DirectiveView) -> None:
    """For a caller that prints one JSON object at the end."""


def exit_code(look: Look[DirectiveView]) -> int:
    """0 for a directive that rests with nothing wrong, 1 for one that paused, failed or is lost (SPEC 9.3)."""
    shown = look.seen
    if look.lost or shown.status in (DirectiveStatus.PAUSED, DirectiveStatus.FAILED):
        return 1
    unfinished = any(step.status in (StepStatus.FAILED, StepStatus.BLOCKED) for step in shown.steps)
    return 1 if shown.status is DirectiveStatus.IDLE and unfinished else 0
