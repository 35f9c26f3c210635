"""`init`: a first `.makima.toml` (rule 2.15). It needs no server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.operator.command_group import Commands, Json
from cli.operator.json_shapes import FoundShown, InitShown
from cli.operator.printing import print_json, print_lines
from domain.visible import visible
from steering.first_settings import root_of, settings_for, write


class InitCommand(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command("init")(self.init)

    def init(
        self,
        folder: Annotated[
            str, typer.Argument(metavar="[FOLDER]", help="In a clone; else the working directory.")
        ] = ".",
        print_only: Annotated[bool, typer.Option("--print", help="Print it, and write nothing.")] = False,
        force: Annotated[bool, typer.Option("--force", help="In place of the file that is there.")] = False,
        as_json: Json = False,
    ) -> None:
        """Write a first .makima.toml for a repository, with the commands that set it up and test it, as its files say.

        Example: starter.py init ~/src/shop
        """
        self.run(self._init(Path(folder).expanduser(), print_only=print_only, force=force, as_json=as_json))

    async def _init(self, folder: Path, *, print_only: bool, force: bool, as_json: bool) -> int:
        root = root_of(folder)
        text, found = settings_for(root)
        written = None if print_only else write(root, text, replace=force)
        if as_json:
            shown = tuple(FoundShown(tool=x.tool, because=x.because, setup=x.setup, verify=x.verify) for x in found)
            print_json(InitShown(file=str(written) if written else None, found=shown, text=text))
        elif written is None:
            print_lines(visible(text).splitlines())
        else:
            kinds = ", ".join(f"{each.because} ({each.tool})" for each in found) or "no commands, name them in it"
            print_lines(
                [
                    f"wrote {visible(str(written))}; found: {visible(kinds)}",
                    "next: read it, commit it on the base branch and push it;"
                    " `starter.py start --title … --goal … --repo URL` takes what it says",
                ]
            )
        return 0
