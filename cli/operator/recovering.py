"""`recover`: directives whose workflow is gone go on from the record (rule 9.1)."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.operator.command_group import Commands, Json
from cli.operator.json_shapes import RecoveredDirective, RecoverShown
from cli.operator.printing import print_json
from domain.errors import Refused
from domain.names import short
from domain.reports import DirectiveSummary
from steering.directives import Directives
from steering.launching import recover


class RecoverCommands(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command()(self.recover)

    def recover(
        self,
        directive: Annotated[str | None, typer.Argument(metavar="[ID]", help="One directive.")] = None,
        all_: Annotated[bool, typer.Option("--all", help="Every unfinished directive that doesn't run.")] = False,
        as_json: Json = False,
    ) -> None:
        """Go on from the record with a directive whose workflow is gone: terminated, or lost with Temporal's data.

        No finished step runs again. One that is running is refused, unless `status` says that its workflow tasks fail:
        then it is ended first. `--all` leaves such ones alone.

        Example: starter.py recover 3f2a
        """
        self.run(self._recover(directive, all_=all_, as_json=as_json))

    async def _recover(self, reference: str | None, *, all_: bool, as_json: bool) -> int:
        if (reference is None) != all_:
            raise Refused("recover takes a directive's id, or --all")
        async with self.directives() as directives:
            if reference is not None:
                summary = await directives.find(reference)
                done = [_recovered(summary, await recover(directives, summary))]
            else:
                done = await recover_all(directives)
        if as_json:
            print_json(RecoverShown(directives=tuple(done)))
        else:
            typer.echo("\n".join(_line(each) for each in done) or "there is no unfinished directive")
        return 0


async def recover_all(directives: Directives) -> list[RecoveredDirective]:
    """Recover every unfinished directive of the owner that doesn't run, and say what was done for each."""
    unfinished = [each for each in await directives.record.directives(directives.owner) if not each.status.is_final]
    lost = await directives.lost(unfinished)
    done = []
    for summary in unfinished:
        try:
            status = await recover(directives, summary) if summary.id in lost else None
            done.append(_recovered(summary, status))
        except Refused as refused:  # it was started, or closed, since we looked
            done.append(_left(summary, str(refused)))
    return done


def _recovered(summary: DirectiveSummary, status: str | None) -> RecoveredDirective:
    if status is None:
        # Another version's worker may be the cause, and the right one then goes on by itself: not for all at once.
        stuck = f"{summary.lost}; `recover {short(summary.id)}` goes on from the record"
        return _left(summary, stuck if summary.lost else "it is running")
    return RecoveredDirective(id=summary.id, title=summary.title, recovered=True, why=f"goes on as {status}")


def _left(summary: DirectiveSummary, why: str) -> RecoveredDirective:
    return RecoveredDirective(id=summary.id, title=summary.title, recovered=False, why=why)


def _line(done: RecoveredDirective) -> str:
    return f"{short(done.id)}  {'recovered' if done.recovered else 'left alone'}  {done.title}: {done.why}"
