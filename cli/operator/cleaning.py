"""`clean`: removing what Makima has left on this machine (rule 9.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from cli.operator.agreeing import somebody_is_there
from cli.operator.command_group import Commands, Json
from cli.operator.json_shapes import CleanShown, RemoteCleanShown
from cli.operator.printing import print_json, print_lines
from domain.errors import Refused
from domain.leftovers import Leftover
from domain.names import short
from domain.remote_leftovers import RemoteLeftover
from domain.repository_url import masked
from steering.new_directive import repository_at

_UNITS = ("bytes", "KB", "MB", "GB")


class CleanCommand(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command()(self.clean)

    def clean(
        self,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list it.")] = False,
        lose_work: Annotated[
            bool, typer.Option("--lose-work", help="Also what is nowhere else: the list says what that is.")
        ] = False,
        settings: Annotated[
            bool, typer.Option("--settings", help="Also settings and defaults that you have written.")
        ] = False,
        remote: Annotated[
            str, typer.Option(metavar="URL", help="In place of that: what ended directives have left in a repository.")
        ] = "",
        yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
        as_json: Json = False,
    ) -> None:
        """Remove what Makima has left on this machine: the stack's data, its daemons' clones and worktrees, caches.

        It is listed first. The stack has to be stopped; what holds work that is nowhere else needs --lose-work. With
        --remote the stack has to run: its record says which branches and refs there are ours, and of what.

        Example: starter.py clean --dry-run
        """
        if remote:
            self.run(self._clean_remote(remote, dry_run=dry_run, lose_work=lose_work, yes=yes, as_json=as_json))
            return
        self.run(self._clean(dry_run=dry_run, lose_work=lose_work, settings=settings, yes=yes, as_json=as_json))

    async def _clean(self, *, dry_run: bool, lose_work: bool, settings: bool, yes: bool, as_json: bool) -> int:
        async with self.connections.cleaning(with_settings=settings) as cleaning:
            chosen = [each for each in cleaning.found if not each.stays]
            if not as_json:
                print_lines(lines(cleaning.found))
            if chosen and not dry_run:
                _agree(chosen, lose_work=lose_work, yes=yes)
            if not dry_run:
                await cleaning.remove(chosen)
        removed = bool(chosen) and not dry_run
        if as_json:
            print_json(CleanShown(found=tuple(cleaning.found), removed=removed))
        elif removed:
            print_lines([f"removed: {size(sum(each.size for each in chosen))}"])
        return 0

    async def _clean_remote(self, typed: str, *, dry_run: bool, lose_work: bool, yes: bool, as_json: bool) -> int:
        repository = repository_at(typed, here=False)
        async with self.connections.retention() as retention:
            wanted = await retention.left_in(self.connections.owner, repository)
        found = (await self.connections.on_remote(wanted)).found if wanted.directives else ()
        going = {each.ref: each.commit for each in found if not each.stays and (lose_work or not each.is_work)}
        if not as_json:
            print_lines(remote_lines(found, masked(repository), lose_work=lose_work))
        removed: tuple[str, ...] = ()
        if going and not dry_run:
            _agree_to_remote(len(going), yes=yes)
            removed = (await self.connections.on_remote(wanted.model_copy(update={"remove": going}))).removed
        if as_json:
            print_json(RemoteCleanShown(repository=masked(repository), found=found, removed=removed))
        elif going and not dry_run:
            print_lines(
                [f"removed: {len(removed)} of {len(going)}; the others have changed since they were listed"]
                if len(removed) < len(going)
                else [f"removed: {len(removed)}"]
            )
        return 0


def _agree_to_remote(number: int, *, yes: bool) -> None:
    if yes:
        return
    if not somebody_is_there():
        raise Refused("clean removes these branches and refs for good, and nobody is here to be asked: add --yes")
    if not typer.confirm(f"{number} branches and refs are removed from the remote for good. Go on?", err=True):
        raise Refused("nothing was removed")


def remote_lines(found: Sequence[RemoteLeftover], repository: str, *, lose_work: bool) -> list[str]:
    """A line for each branch and ref, with why it stays."""
    told = []
    for each in found:
        told.append(f"{short(each.directive)}  {each.ref} at {each.commit[:10]}  {each.title}")
        told += [f"    stays: {each.stays}"] * bool(each.stays)
        if each.is_work and not each.stays:
            how = "would be lost" if lose_work else "stays unless --lose-work is added"
            told.append(f"    {how}: neither the base branch nor a merged pull request holds it")
    number = sum(1 for each in found if not each.stays and (lose_work or not each.is_work))
    return [*told, f"{number} to remove from {repository}" if number else f"nothing to remove from {repository}"]


def _agree(chosen: Sequence[Leftover], *, lose_work: bool, yes: bool) -> None:
    """Refused, unless all of it may go."""
    lost = [line for each in chosen for line in each.work]
    if lost and not lose_work:
        raise Refused(
            f"nothing was removed: {len(lost)} of what would be lost is nowhere else, such as {lost[0]}; "
            "archive directives, let work be published, or add --lose-work (--dry-run lists all of it)"
        )
    if yes:
        return
    if not somebody_is_there():
        raise Refused("clean removes all this for good, and nobody is here to be asked: add --yes")
    also = f", and {len(lost)} of it that is nowhere else is lost" if lost else ""
    if not typer.confirm(f"All this is removed for good{also}. Go on?", err=True):
        raise Refused("nothing was removed")


def lines(found: Sequence[Leftover]) -> list[str]:
    """A line for each part, with what would be lost with it, and the sum."""
    told = []
    for each in found:
        told.append(f"{size(each.size):>9}  {each.path}  {each.what}")
        told += [f"{'':9}    would be lost: {line}" for line in each.work]
        told += [f"{'':9}    stays: {each.stays}"] * bool(each.stays)
    total = sum(each.size for each in found if not each.stays)
    return [*told, f"{size(total)} to remove" if any(not each.stays for each in found) else "nothing to remove"]


def size(number: float) -> str:
    """Bytes as a person reads them."""
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}"
        number /= 1000
    raise AssertionError("the last unit takes any number")
