"""Looking at directives until they rest: `watch`, and `start --wait`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from cli.operator import text_lines
from cli.operator.command_group import Commands, Json, OptionalId
from cli.operator.screens import Screen, screen
from cli.operator.watch_state import WatchedDirective, Watcher
from domain.errors import NotReachable
from domain.statuses import DirectiveStatus, StepStatus
from domain.view import DirectiveView
from steering.directives import Directives
from steering.recorded import SeenState

LOOK_EVERY = 0.5
"""Seconds between two looks."""

PrintChange = Callable[[DirectiveView | None, DirectiveView], None]
"""Is told what was seen before (None: nothing) and what is seen now."""


class Until(StrEnum):
    """When `watch` ends."""

    REST = "rest"
    """Nothing more is to be expected of any of them until somebody acts."""
    ATTENTION = "attention"
    """Then, or as soon as a plan waits for approval or an agent for an answer."""


class WatchCommands(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command()(self.watch)

    def watch(
        self,
        directive: OptionalId = None,
        until: Annotated[
            Until, typer.Option(help="attention: end also when a plan waits for approval, or a question for an answer.")
        ] = Until.REST,
        as_json: Json = False,
    ) -> None:
        """Show what a directive does, or all of them, until they rest or are closed: a live tree on a terminal, else a
        line for every change; with --json, the whole view as one. A summary stays.

        Example: starter.py watch 3f2a --until attention
        """
        self.run(self._watch(directive, until, as_json=as_json))

    async def _watch(self, reference: str | None, until: Until, *, as_json: bool) -> int:
        async with self.directives() as directives:
            look = await _looking(directives, reference)
            with screen(as_json=as_json) as shows:
                seen = await _until(until, look, shows)
        return max((exit_code(each.look) for each in seen), default=0)


async def _looking(
    directives: Directives, reference: str | None
) -> Callable[[], Awaitable[Sequence[WatchedDirective]]]:
    watcher = Watcher(directives)
    if reference is None:
        return watcher.all
    found = await directives.find(reference)

    async def one() -> Sequence[WatchedDirective]:
        return [await watcher.one(found.id)]

    return one


async def _until(
    until: Until, look: Callable[[], Awaitable[Sequence[WatchedDirective]]], shows: Screen
) -> Sequence[WatchedDirective]:
    while True:
        try:
            seen = await look()
        except NotReachable as error:  # started a moment ago, or a part is being started again
            shows.wait(" ".join(str(error).split()))
            await asyncio.sleep(LOOK_EVERY)
            continue
        shows.render(seen)
        if _is_over(until, seen):
            return seen
        await asyncio.sleep(LOOK_EVERY)


def _is_over(until: Until, seen: Sequence[WatchedDirective]) -> bool:
    wanted = until is Until.ATTENTION and any(each.wants_somebody for each in seen)
    return wanted or all(each.rests for each in seen)


async def until_rest(
    look_now: Callable[[], Awaitable[SeenState[DirectiveView]]], print_change: PrintChange
) -> SeenState[DirectiveView]:
    """Look until the directive rests, is closed or is lost, printing every change."""
    before: DirectiveView | None = None
    while True:
        try:
            look = await look_now()
        except NotReachable:
            await asyncio.sleep(LOOK_EVERY)  # started a moment ago, or its worker is being started again
            continue
        print_change(before, look.seen)
        before = look.seen
        if look.lost or (look.live and before.status.rests):
            return look
        await asyncio.sleep(LOOK_EVERY)


def print_changes(before: DirectiveView | None, now: DirectiveView) -> None:
    """A line for everything that differs."""
    for line in text_lines.changes(before, now):
        typer.echo(line)


def silence(before: DirectiveView | None, now: DirectiveView) -> None:
    """For a caller that prints one JSON object at the end."""


def exit_code(look: SeenState[DirectiveView]) -> int:
    """0 for a directive that rests with nothing wrong, 1 for one that paused, failed or is lost (rule 9.3)."""
    shown = look.seen
    if look.lost or shown.status in (DirectiveStatus.PAUSED, DirectiveStatus.FAILED):
        return 1
    unfinished = any(step.status in (StepStatus.FAILED, StepStatus.BLOCKED) for step in shown.steps)
    return 1 if shown.status is DirectiveStatus.IDLE and unfinished else 0
