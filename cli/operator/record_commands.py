"""Commands over the record: what happened, what it cost, and forgetting what is long over."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cli.operator import text_lines
from cli.operator.command_group import Commands, Id, Json, OptionalId
from cli.operator.printing import print_json, print_lines
from cli.operator.text_lines import attempt_line, guessed
from domain import names
from domain.errors import Refused
from domain.retention import DEFAULT_RETENTION
from domain.spending import total
from domain.usage import used

if TYPE_CHECKING:
    from domain.models import State
    from domain.record import Event
    from domain.retention import PrunableRecord
    from domain.spending import AttemptSpent, DirectiveSpent
    from steering.opened import UsedUp
    from steering.shapes import CostsShown

# The shapes of --json take a twentieth of a command's start to build: imported where they are printed.

_AGO = re.compile(r"(\d{1,5})(s|min|m|h|d)")
_UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days"}
ALL_DAYS = 36_500
NOTHING = "nothing used up yet"


class AccountCommands(Commands):
    def add_to(self, app: typer.Typer) -> None:
        for command in (self.history, self.costs, self.prune):
            app.command(command.__name__)(command)

    def history(
        self,
        directive: Id,
        step: Annotated[str | None, typer.Option(help="Only what happened to this step: its name or id.")] = None,
        since: Annotated[
            str | None, typer.Option(help="A time such as 2026-11-22T14:00 (UTC), or how long ago: 90s, 15m, 2h, 3d.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Print all that happened to a directive: when, who, what, why.

        Example: starter.py history 3f2a --step "Session store" --since 2h
        """
        self.run(self._history(directive, step, since, as_json=as_json))

    async def _history(self, reference: str, step: str | None, since: str | None, *, as_json: bool) -> int:
        after = moment(since, datetime.now(UTC)) if since else None
        async with self.recorded() as directives:
            state = await directives.state(reference)
            events = await directives.record.events(state.directive.id)
        chosen = chosen_events(state, events, step, after)
        if as_json:
            from cli.operator.json_shapes import HistoryShown

            print_json(HistoryShown(events=tuple(chosen)))
        else:
            about = {task.id: task.name for task in state.tasks.values()}
            about |= {each.id: each.name for each in state.steps.values()}
            print_lines(text_lines.event_line(event, about) for event in chosen)
        return 0

    def costs(self, directive: OptionalId = None, as_json: Json = False) -> None:
        """Add up time, tokens and cost: by directive, or by a directive's tasks and attempts.

        Example: starter.py costs 3f2a
        """
        self.run(self._costs(directive, as_json=as_json))

    async def _costs(self, reference: str | None, *, as_json: bool) -> int:
        if as_json:
            print_json(await self.looking.costs(reference))
        else:
            print_lines(cost_lines(await self.opened.spent(reference)))
        return 0

    def prune(
        self,
        older_than: Annotated[
            int, typer.Option(help="Days since a directive was completed, failed or archived.", min=1, max=ALL_DAYS)
        ] = DEFAULT_RETENTION.days,
        yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
        as_json: Json = False,
    ) -> None:
        """Delete the events and logs of directives that ended long ago; what they were, did and cost stays.

        Example: starter.py prune --older-than 90 --yes
        """
        self.run(self._prune(older_than, yes=yes, as_json=as_json))

    async def _prune(self, days: int, *, yes: bool, as_json: bool) -> int:
        async with self.connections.retention() as retention:
            found = await retention.prunable(self.connections.owner, timedelta(days=days))
            if not as_json:
                print_lines(prune_lines(found, days))
            if found and not yes:
                _confirm()
            for each in found:
                await retention.prune(each.id)
        if as_json:
            from cli.operator.json_shapes import PruneShown

            print_json(PruneShown(older_than_days=days, directives=tuple(found), pruned=bool(found)))
        return 0


def moment(typed: str, now: datetime) -> datetime:
    """A time (UTC where it doesn't say), or one so long before `now`; Refused for anything else."""
    if found := _AGO.fullmatch(typed):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        at = datetime.fromisoformat(typed)
    except ValueError as error:
        raise Refused(
            f"--since takes a time such as 2026-11-22T14:00, or 90s, 15m, 2h, 3d; not {typed[:100]!r}"
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def chosen_events(state: State, events: Sequence[Event], step: str | None, after: datetime | None) -> list[Event]:
    """Those of a step and its task, from a moment on."""
    about: set[UUID | None] | None = None
    if step is not None:
        from domain.lookup import find_step

        found = find_step(state, step).id
        about = {found, names.step_task(found)}
    return [
        event
        for event in events
        if (about is None or event.step in about or event.task in about) and (after is None or event.at >= after)
    ]


def cost_lines(shown: UsedUp | CostsShown) -> list[str]:
    """A line a directive, or a line a task and one for each of its attempts, and the sum."""
    told = _attempt_lines(shown.attempts) if shown.attempts else [_directive_line(each) for each in shown.directives]
    return [*told, f"{'total':<40} {used(shown.total) or NOTHING}{guessed(shown.directives)}"]


def _directive_line(spent: DirectiveSpent) -> str:
    about = f"{names.short(spent.id)}  {spent.status:<10} {spent.title}"
    return f"{about[:40]:<40} {used(total([spent])) or NOTHING}{guessed([spent])}  ({spent.attempts} attempts)"


def _attempt_lines(attempts: Sequence[AttemptSpent]) -> list[str]:
    by_task: dict[UUID, list[AttemptSpent]] = {}
    for each in attempts:
        by_task.setdefault(each.task, []).append(each)
    told = []
    for mine in by_task.values():
        told.append(f"{mine[0].name[:40]:<40} {used(total(mine)) or NOTHING}{guessed(mine)}")
        told += [f"  {attempt_line(each)}" for each in mine]
    return told


def prune_lines(found: Sequence[PrunableRecord], days: int) -> list[str]:
    """What would be deleted."""
    if not found:
        return [f"nothing to delete: no directive that ended more than {days} days ago has events or logs"]
    told = [
        f"{names.short(each.id)}  {each.status:<10} {each.ended_at:%Y-%m-%d}  {each.title}: "
        f"{each.events} events, {each.log_bytes:,} bytes of logs"
        for each in found
    ]
    return [*told, f"{sum(each.events for each in found)} events, {sum(each.log_bytes for each in found):,} bytes"]


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Refused("prune deletes events and logs for good, and nobody is here to be asked: add --yes")
    if not typer.confirm("These events and logs are deleted for good. Go on?", err=True):
        raise Refused("nothing was deleted")
