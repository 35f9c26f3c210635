"""Every command of starter.py that the documentation shows is one that it takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.exceptions import TyperException
from typer.main import get_group

from cli.operator.app import PANELS
from starter import build_app

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"^```(?:sh|console)[^\n]*\n(.*?)^```$|`([^`\n]+)`", re.DOTALL | re.MULTILINE)
CALL = re.compile(r"\bstarter(?:\.py)? +([a-z][^\n]*)")
FRAGMENT = re.compile(r"([a-z-]+) .*--[a-z].*")
"""A command without its beginning, and perhaps without its arguments: a table of what to do."""
LEFT_OUT = "…"
CLI = get_group(build_app())


def commands(page: str) -> Iterator[list[str]]:
    """The words of each command, up to a pipe, a redirection or a comment."""
    for block, inline in CODE.findall(page):
        text = re.sub(r"\\\n", " ", block or inline)
        for call in CALL.findall(text):
            yield words(call)
        fragment = FRAGMENT.fullmatch(inline)
        if fragment and fragment[1] in CLI.commands:
            yield [*words(inline), LEFT_OUT]


def words(call: str) -> list[str]:
    lexer = shlex.shlex(call.replace("$(", "(").replace(" 2>", " >"), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[str] = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            break
        found.append(word)
    return found


def refusal(command: list[str]) -> str:
    """Why the command line doesn't take it; empty: it does. Where "…" leaves something out, only options count."""
    name, *arguments = command
    known = CLI.commands.get(name)
    if known is None:
        return "no such command"
    if LEFT_OUT in command:
        options = {option for each in known.params for option in (*each.opts, *each.secondary_opts)}
        typed = (word.strip("[]") for word in arguments)
        return " ".join(word for word in typed if word.startswith("--") and word not in options)
    try:
        known.make_context(name, arguments)
    except TyperException as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_are_taken(page: Path) -> None:
    refused = {" ".join(each): why for each in commands(page.read_text()) if (why := refusal(each))}
    assert refused == {}


def test_commands_are_found_where_they_stand_and_wrong_ones_are_refused() -> None:
    page = "```sh\nID=$(python starter.py start \\\n  --nothing 'a b' | cut -c 1)\n```\nas `goal --x`, `starter.py lst`"
    found = list(commands(page))
    assert found == [["start", "--nothing", "a b"], ["goal", "--x", LEFT_OUT], ["lst"]]
    assert all(refusal(each) for each in found)
    assert refusal(["start", LEFT_OUT, "--labl", "big"]) == "--labl"
    assert sum(len(list(commands(page.read_text()))) for page in PAGES) > 80


def test_the_help_has_each_command_under_one_heading_and_ten_in_its_first() -> None:
    under = [name for names in PANELS.values() for name in names]
    assert list(CLI.commands) == under, "in this order"
    assert len(PANELS["Every day"]) == 10
    headings = {name: getattr(command, "rich_help_panel", "") for name, command in CLI.commands.items()}
    assert headings == {name: panel for panel, names in PANELS.items() for name in names}
