"""`--edit`: a goal from an editor, which is kept in a file where nothing comes of it."""

from __future__ import annotations

import re
import shlex
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from cli.operator.written_goal import BY_HAND, written_goal
from domain.errors import Refused
from steering.new_directive import MAX_TEXT, StartOptions, with_goal_read
from tests.unit.test_cli_actions import typed

pytestmark = pytest.mark.rule("2.13")
FILE = re.compile(r"type --goal-file (\S+) in place of --edit$")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    return tmp_path / "t"


@pytest.fixture
def editor(tmp_path: Path) -> Path:
    """Its `-w` is an option, what follows the file."""
    return tmp_path / "my editor"


def write(editor: Path, script: str) -> dict[str, str]:
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o755)
    return {"EDITOR": f"{shlex.quote(str(editor))} -w", "PATH": "/usr/bin:/bin"}


def options(**given: Any) -> StartOptions:
    return StartOptions(**{"title": "Login", "goal": "Users log in", "repo": "r", "planner": "claude", **given})


def refused(environ: dict[str, str], said: str, **given: Any) -> str:
    with pytest.raises(Refused, match=said) as error, written_goal(options(edit=True, **given), environ):
        raise Refused("the repository is away")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_was_written_is_the_goal_and_its_file_is_gone_once_it_is_taken(editor: Path, place: Path) -> None:
    environ = write(editor, 'grep -q "Users log in" "$2" && sed -i "s/log in/log in twice/" "$2" && test "$1" = -w')
    with written_goal(options(edit=True), environ) as written:
        assert (written.options.goal, written.options.edit) == ("Users log in twice", False)
        assert list(place.iterdir())
        written.taken = True
    assert list(place.iterdir()) == []
    with pytest.raises(Refused, match=r"^stopped while waiting$"), written_goal(options(edit=True), environ) as written:
        written.taken = True
        raise Refused("stopped while waiting")
    with written_goal(options(), environ) as written:
        assert written.options == options()
    assert list(place.iterdir()) == []


def test_what_is_refused_is_kept_for_its_writer_alone_and_can_be_given_again(editor: Path, place: Path) -> None:
    new = 'printf "Prices\\n%s\\n" "' + BY_HAND + '" > "$2.new"'
    environ = write(editor, f'{new} && chmod 644 "$2.new" && mv "$2.new" "$2"')
    said = refused(environ, "^the repository is away; your goal is in ")
    found = FILE.search(said)
    assert found
    file = Path(found[1])
    assert file.is_relative_to(place) and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    again = with_goal_read(options(goal=None, goal_file=file))
    assert again.goal == "Prices\n", "without the line by hand"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('echo Prices > "$2"; exit 3', "ended with exit code 3, and nothing was started; your goal is in "),
        ('echo Prices > "$2"; kill -9 $$', "ended with signal 9, and nothing was started; your goal is in "),
        (f'head -c {MAX_TEXT + 1} /dev/zero > "$2"', "more than 256 KiB; your goal is in "),
        ('printf "\\377" > "$2"', r"not UTF-8 text \(byte 0\); your goal is in "),
    ],
)
def test_what_an_editor_has_left_is_kept_however_it_ended(script: str, said: str, editor: Path, place: Path) -> None:
    found = FILE.search(refused(write(editor, script), said))
    assert found and Path(found[1]).stat().st_size


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 1", "ended with exit code 1, and nothing was started$"),
        ('printf "%s" "' + BY_HAND + '" > "$2"', "^no goal was written, and nothing was started$"),
        ('rm "$2"', "--edit .*: No such file or directory$"),
        ("true", "^the repository is away$"),  # what was typed is typed again
    ],
)
def test_where_nothing_was_written_nothing_is_kept(script: str, said: str, editor: Path, place: Path) -> None:
    refused(write(editor, script), said)
    assert list(place.iterdir()) == []


def test_without_an_editor_nothing_is_begun(place: Path) -> None:
    refused({}, "needs EDITOR")
    refused({"EDITOR": "'"}, "can't be started")
    refused({"EDITOR": "/nowhere/at/all"}, "can't be started: No such file")
    refused({"EDITOR": "vi"}, "leave --goal-file and --issue away", goal=None, goal_file=Path("g"))
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("command", [("start",), ("create",), ("schedule", "add", "weekly", "--cron", "0 3 * * 1")])
def test_a_stack_that_is_away_loses_no_goal(
    command: tuple[str, ...], editor: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", write(editor, 'echo Prices > "$2"')["EDITOR"])
    given = ("--title", "Shop", "--repo", "https://example.invalid/shop.git", "--planner", "claude", "--edit")
    result = typed(*command, *given)
    found = FILE.search(result.stderr.strip())
    assert result.exit_code == 3 and found, result.stderr
    assert Path(found[1]).read_text() == "Prices\n"
