"""`schedule`: directives that come back, such as every week (rule 2.16)."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.operator.command_group import Commands, Json
from cli.operator.printing import print_json, print_lines
from cli.operator.signatures import with_parameters_of
from cli.operator.start_options import PARAMETERS, start_options, typed_in
from cli.operator.written_goal import written_goal
from domain.errors import Refused
from domain.names import short
from domain.schedules import Overlap, window
from domain.usage import duration
from domain.visible import visible
from steering.new_directive import StartOptions
from steering.schedules import OF_ONE_DIRECTIVE, Schedules
from steering.shapes import FiringShown, ScheduleShown, SchedulesShown, TriggeredShown


class ScheduleAction(StrEnum):
    ADD = "add"
    LIST = "list"
    PAUSE = "pause"
    RESUME = "resume"
    TRIGGER = "trigger"
    REMOVE = "remove"


def directive_options(**typed: Any) -> StartOptions:
    """The options of `start` that hold for each directive of a schedule."""
    return start_options(**typed)


directive_options.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [each for each in PARAMETERS if each.name not in OF_ONE_DIRECTIVE]
)


class ScheduleCommand(Commands):
    def add_to(self, app: typer.Typer) -> None:
        command = with_parameters_of(self.schedule, "options", directive_options)
        app.command("schedule", help=inspect.getdoc(self.schedule))(command)

    def schedule(
        self,
        context: typer.Context,
        action: Annotated[
            ScheduleAction, typer.Argument(metavar="ACTION", help="One of: add, list, pause, resume, trigger, remove.")
        ],
        name: Annotated[str, typer.Argument(metavar="[NAME]", help="The schedule's.")] = "",
        cron: Annotated[
            list[str] | None,
            typer.Option(metavar="CRON", help="When: minute, hour, day, month, weekday; may be given more than once."),
        ] = None,
        time_zone: Annotated[
            str, typer.Option(metavar="ZONE", help="Of these times, such as Europe/Berlin; else UTC.")
        ] = "",
        overlap: Annotated[
            Overlap | None,
            typer.Option(
                metavar="POLICY",
                help="While one before runs: skip (if not said), buffer_one, buffer_all, cancel_other, allow_all.",
            ),
        ] = None,
        catchup_window: Annotated[
            str, typer.Option(metavar="TIME", help="How late it may still fire after an outage: 30min, 6h; else 7d.")
        ] = "",
        note: Annotated[str, typer.Option(help="Why it is paused.")] = "",
        options: Callable[[], StartOptions] = directive_options,
        as_json: Json = False,
    ) -> None:
        """Let a directive come back, such as every week; docs/schedules.md.

        Example: starter.py schedule add weekly --cron "0 3 * * 1" --like 1f3a
        """
        wanted = {"cron": cron, "time-zone": time_zone, "overlap": overlap, "catchup-window": catchup_window}
        self.run(self._schedule(action, name, wanted, note, options, typed_in(context), as_json=as_json))

    async def _schedule(
        self,
        action: ScheduleAction,
        name: str,
        wanted: dict[str, Any],
        note: str,
        options: Callable[[], StartOptions],
        typed: frozenset[str],
        *,
        as_json: bool,
    ) -> int:
        check(action, name, wanted, note, options())
        schedules = Schedules(self.client)
        match action:
            case ScheduleAction.ADD:
                await self._add(schedules, name, wanted, options(), typed)
            case ScheduleAction.PAUSE:
                await schedules.pause(name, note)
            case ScheduleAction.RESUME:
                await schedules.resume(name)
            case ScheduleAction.REMOVE:
                await schedules.remove(name)
            case ScheduleAction.TRIGGER:
                told = await schedules.trigger(name)
                _print(told, [triggered_line(told)], as_json=as_json)
                return 0
            case ScheduleAction.LIST:
                pass
        found = await schedules.list(None if not name or action is ScheduleAction.REMOVE else name)
        lines = [f"removed {name}: what it has started goes on"] if action is ScheduleAction.REMOVE else lines_of(found)
        _print(found, lines, as_json=as_json)
        return 0

    async def _add(
        self, schedules: Schedules, name: str, wanted: dict[str, Any], options: StartOptions, typed: frozenset[str]
    ) -> None:
        given: dict[str, Any] = {"typed": typed}
        if wanted["overlap"]:
            given["overlap"] = wanted["overlap"]
        if wanted["catchup-window"]:
            given["catchup_window"] = window(wanted["catchup-window"])
        with written_goal(options, os.environ) as written:
            await schedules.add(name, wanted["cron"] or (), written.options, time_zone=wanted["time-zone"], **given)
            written.taken = True


def check(action: ScheduleAction, name: str, wanted: dict[str, Any], note: str, options: StartOptions) -> None:
    """Refused where a name is missing, or something was typed that this action has no use for."""
    if action is not ScheduleAction.LIST and not name:
        raise Refused(f"`schedule {action}` needs the schedule's name")
    if note and action is not ScheduleAction.PAUSE:
        raise Refused("--note says why a schedule is paused: `schedule pause NAME --note TEXT`")
    if action is ScheduleAction.ADD:
        return
    if given := [each for each, value in wanted.items() if value]:
        raise Refused(f"--{given[0]} is for `schedule add`: to change a schedule, remove it and add it anew")
    if options != StartOptions():
        raise Refused(f"`schedule {action}` takes no options of `start`: to change a schedule, remove it, add it anew")


def _print(found: SchedulesShown | TriggeredShown, lines: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_lines(list(lines))


def triggered_line(told: TriggeredShown) -> str:
    if told.directive:
        return f"triggered {told.name}: directive {told.directive}"
    if told.outcome == "skipped":
        return f"skipped {told.name}: what it has started before still runs (--overlap)"
    return f"triggered {told.name}: it waits until what it has started before is over"


def lines_of(found: SchedulesShown) -> list[str]:
    """A line for each, and below it when it comes next, why it doesn't, and what became of it last."""
    lines: list[str] = []
    for each in found.schedules:
        lines.append(f"{each.name}  {visible(each.title)}  {visible(each.repository)}")
        lines.append(f"  {_when(each)}")
        lines.append(f"  {_counted(each)}")
        lines += [f"  paused: {visible(each.note)}"] if each.paused else []
        lines += [f"  last {_at(each.last.scheduled_at)}: {_became(each.last)}"] if each.last else []
    lines += [f"{visible(each)}  is no schedule of Makima's: `schedule remove` removes it" for each in found.unreadable]
    return lines or ['no schedule: `schedule add NAME --cron "0 3 * * 1" --like ID` adds one']


def _when(shown: ScheduleShown) -> str:
    crons = ", ".join(f'"{visible(each)}"' for each in shown.crons)
    coming = "never again" if shown.next is None else _at(shown.next)
    late = duration(shown.catchup_window.total_seconds())
    coming = f"next {coming}" if not shown.paused else f"next {coming} once it is resumed"
    return f"{crons} {visible(shown.time_zone)}, {coming}; overlap {shown.overlap}, catch-up window {late}"


def _counted(shown: ScheduleShown) -> str:
    counts = [f"fired {shown.fired}"]
    counts += [f"skipped {shown.skipped} (one still ran)"] if shown.skipped else []
    counts += [f"missed {shown.missed} (beyond the catch-up window)"] if shown.missed else []
    counts += [f"runs {shown.running}"] if shown.running else []
    return ", ".join(counts)


def _became(last: FiringShown) -> str:
    failure = f"failed: {visible(last.failure)}" if last.firing == "failed" else last.firing
    if last.status is None:
        return failure or "nothing is known of it any more"
    lost = f", lost ({visible(last.lost)})" if last.lost else ""
    return f"directive {short(last.directive)} {last.status}{lost}" + (f"; {failure}" if failure else "")


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
