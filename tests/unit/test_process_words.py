"""What a failed program is called in a reason that people read: never by its argument list, always with its words."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.process.run import SHOWN_STDERR, Finished, command_name, sentence


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("git", "--git-dir=.git", "--work-tree=.", "commit", "--quiet", "--file=-"), "git commit"),
        (("git", "-c", "fetch.fsckObjects=true", "fetch", "--quiet"), "git fetch"),
        (("/usr/bin/git", "--literal-pathspecs", "add", "--all"), "git add"),
        (("/usr/bin/bwrap", "--unshare-pid", "--", "git", "commit"), "bwrap"),
        (("git", "--version"), "git"),
    ],
)
def test_a_program_is_named_without_its_arguments(argv: tuple[str, ...], name: str) -> None:
    assert command_name(argv) == name


def test_gits_own_sentence_comes_first_however_long_its_advice_is() -> None:
    reason = "fatal: Unable to create '.git/index.lock': File exists."
    said = f"{reason}\n\n" + "Another git process seems to be running in this repository.\n" * 40
    told = str(Finished(("git", "commit"), 128, b"", said))
    assert told.startswith(f"git commit ended with 128: {reason} / ")
    assert len(sentence(said)) <= SHOWN_STDERR + 3


def test_the_end_counts_where_no_line_is_a_reason() -> None:
    assert sentence("x" * 1000 + "\nthe end\n").endswith("the end")
    assert sentence("\n") == "it said nothing"


OPTIONS = st.sampled_from(
    [("--git-dir=.git",), ("--work-tree=.",), ("--literal-pathspecs",), ("-c", "core.hooksPath=/dev/null")]
)
WORDS = st.text("abc xyz", max_size=120)


@given(st.lists(OPTIONS, max_size=6), st.lists(WORDS | WORDS.map("error: {}".format), max_size=40), WORDS, st.data())
@example([], [f"error: object {number}: missingEmail" for number in range(40)], "the pack is broken", None)
def test_no_reason_shows_an_argument_list_or_drops_what_git_says(
    options: list[tuple[str, ...]], lines: list[str], why: str, data: st.DataObject | None
) -> None:
    reason = f"fatal: because {why}".strip()
    at = data.draw(st.integers(0, len(lines))) if data else len(lines)
    said = "\n".join([*lines[:at], reason, *lines[at:]])
    told = str(Finished(("git", *chain(*options), "commit", "--quiet", "--file=-"), 128, b"", said))
    assert told.startswith("git commit ended with 128: ")
    assert reason in told
