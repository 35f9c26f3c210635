"""The help of every command fits a terminal of 80 columns (rule 9.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from typer.main import get_command
from typer.testing import CliRunner

from cli.agent.__main__ import app as agents_app
from daemon.commands import build_app as build_daemon
from starter import build_app

COLUMNS = 80
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def nothing(*_: object) -> Any:
    raise AssertionError("nothing is run")


APPS: dict[str, typer.Typer] = {
    "starter.py": build_app(),
    "makima in a task": agents_app,
    "python -m daemon": build_daemon(nothing, nothing, nothing, nothing),
}


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Each command, by what is typed for it."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


def helped(app: typer.Typer, words: tuple[str, ...]) -> str:
    env = {"COLUMNS": str(COLUMNS), "TERMINAL_WIDTH": None}
    done = CliRunner().invoke(app, [*words, "--help"], env=env)
    assert done.exit_code == 0, (words, done.output)
    return COLOURS.sub("", done.output)


@pytest.mark.rule("9.3")
@pytest.mark.parametrize("which", APPS)
def test_no_line_is_wider_than_80_columns_and_nothing_is_cut_off(which: str) -> None:
    for words in commands(get_command(APPS[which])):
        text = helped(APPS[which], words)
        wide = [line for line in text.splitlines() if cell_len(line) > COLUMNS or "…" in line]
        assert not wide, (words, wide)


@pytest.mark.rule("9.3")
def test_every_option_is_there_in_full_with_room_for_words() -> None:
    app = APPS["starter.py"]
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        text = helped(app, (name,))
        for option in (each for each in command.params if each.param_type_name == "option"):
            word = f"--[no-]{option.opts[0][2:]}" if option.secondary_opts else option.opts[0]
            assert re.search(rf"{re.escape(word)}\s", text), (name, word)
        if "Options" in text:
            # Where the column of words begins; a third of the terminal is left for them.
            begins = max(line.index("Show this message") for line in text.splitlines() if "Show this message" in line)
            assert begins <= 2 * COLUMNS / 3, (name, begins)


@pytest.mark.rule("9.3")
def test_a_flag_that_can_be_turned_off_says_so_and_what_counts() -> None:
    text = " ".join(helped(APPS["starter.py"], ("start",)).split())
    assert re.search(r"--\[no-\]pull-request Open one, or push the branch and (│ │ )?no more. Default: yes.", text), (
        text
    )
    assert "<list[str]>" not in text and "--no-pull-request" not in text
