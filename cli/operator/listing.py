"""`list`: an owner's directives, all of them or those that are meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from cli.operator.command_group import Commands, Json, listed
from cli.operator.printing import print_json, print_lines
from cli.operator.text_lines import LIST_HEADER, list_line
from domain.errors import Refused
from domain.reports import DirectiveSummary
from domain.statuses import DirectiveStatus


class ListCommand(Commands):
    """Reads the record alone."""

    def add_to(self, app: typer.Typer) -> None:
        app.command("list")(self.list_all)

    def list_all(
        self,
        status: Annotated[
            str, typer.Option(metavar="NAMES", help="Only those that stand so, or 'open': that have not ended.")
        ] = "",
        repo: Annotated[str, typer.Option(metavar="TEXT", help="Only those whose repository holds this.")] = "",
        title: Annotated[str, typer.Option(metavar="TEXT", help="Only those whose title holds this.")] = "",
        as_json: Json = False,
    ) -> None:
        """List the owner's directives, the latest changed first, and which of them are lost.

        Example: starter.py list --status active,paused --repo shop
        """
        self.run(self._list_all(statuses(status), repo, title, as_json=as_json))

    async def _list_all(self, wanted: set[DirectiveStatus], repo: str, title: str, *, as_json: bool) -> int:
        every, unknown = await self.opened.summaries()
        summaries = meant(every, wanted, repo, title)
        if as_json:
            # The shapes take a twentieth of a command's start to build.
            from steering.shapes import ListShown  # noqa: PLC0415

            print_json(ListShown(directives=tuple(summaries), unknown=unknown))
        else:
            print_lines([LIST_HEADER] if summaries else [])
            print_lines(list_line(each) for each in summaries)
            print_lines([unknown] if unknown else [], err=True)
        return 0


def statuses(typed: str) -> set[DirectiveStatus]:
    """Those that were named, all where none was; Refused for what is none."""
    names, known = set(listed(typed)), [each.value for each in DirectiveStatus]
    if unknown := sorted(names - {*known, "open"}):
        raise Refused(f"--status: {unknown[0]!r} is none; it takes open, {', '.join(known)}")
    found = {DirectiveStatus(name) for name in names & set(known)}
    return found | {each for each in DirectiveStatus if "open" in names and not each.is_final} or set(DirectiveStatus)


def meant(
    summaries: Iterable[DirectiveSummary], wanted: set[DirectiveStatus], repo: str, title: str
) -> Sequence[DirectiveSummary]:
    """Those of these statuses whose texts hold the others, in whatever letter case; pure."""

    def is_meant(each: DirectiveSummary) -> bool:
        return each.status in wanted and repo.lower() in each.repository.lower() and title.lower() in each.title.lower()

    return [each for each in summaries if is_meant(each)]
