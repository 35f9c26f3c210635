"""Logs and comments as a person would read them, before anything is cut (rule 7.5)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.forges.findings import TEXT_LIMIT, log_text
from daemon.forges.github.check_findings import output_text
from daemon.forges.github.payloads_checks import CheckOutput, CheckRun
from daemon.forges.plain_text import plain_text

pytestmark = pytest.mark.rule("7.5")


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("\x1b[31mFAILED\x1b[0m tests/a.py", "FAILED tests/a.py"),
        ("\x1b[38;5;196;1mred\x1b[m", "red"),
        ("10 %\r 50 %\r100 %\ndone", "100 %\ndone"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("half\r", "half"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGk=\nthe error", "\nthe error"),
        ("\x9b31mred\x9b0m", "red"),
        ("a\x00b\x07c\x08d", "abcd"),
        ("tab\tstays", "tab\tstays"),
        ("\x1b(Bplain\x1b=", "plain"),
        ("Grün ✓", "Grün ✓"),
    ],
)
def test_what_a_terminal_would_not_show_is_taken_out(given: str, plain: str) -> None:
    assert plain_text(given) == plain


@given(st.text())
def test_no_control_character_is_left_and_doing_it_twice_changes_nothing(text: str) -> None:
    plain = plain_text(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", plain)
    assert plain_text(plain) == plain


def test_a_log_is_cut_after_what_nobody_can_read_was_taken_out() -> None:
    """A progress bar and colours would have taken all of the room."""
    bar = "".join(f"\r\x1b[32m{number:>6} of 20000\x1b[0m" for number in range(20_000))
    coloured = "\x1b[31m" * 1000
    at = "2026-01-05T10:00:00.0000000Z "
    log = f"{at}the reason stands here\n{at}{bar}\n{at}{coloured}##[error]exit 1\n"
    text = log_text(log.encode())
    assert text == "the reason stands here\n 19999 of 20000\n##[error]exit 1"


def test_what_a_check_says_of_itself_is_plain_and_short() -> None:
    output = CheckOutput(title="\x1b[1m2 problems", summary="s" * 2 * TEXT_LIMIT, text="\x1b[31mlast")
    run = CheckRun(id=1, name="lint", status="completed", conclusion="failure", output=output)
    text = output_text(run)
    assert text.endswith("last") and "\x1b" not in text
    assert len(text.encode()) <= TEXT_LIMIT
