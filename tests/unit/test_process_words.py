"""What a failed program is called in a reason that people read: never by its argument list, always with its words."""

from __future__ import annotations

import pytest

from daemon.process.run import SHOWN_STDERR, Finished, sentence, shown


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
    assert shown(argv) == name


def test_gits_own_sentence_comes_first_however_long_its_advice_is() -> None:
    reason = "fatal: Unable to create '.git/index.lock': File exists."
    said = f"{reason}\n\n" + "Another git process seems to be running in this repository.\n" * 40
    told = str(Finished(("git", "commit"), 128, b"", said))
    assert told.startswith(f"git commit ended with 128: {reason} / ")
    assert len(sentence(said)) <= SHOWN_STDERR + 3


def test_the_end_counts_where_no_line_is_a_reason() -> None:
    assert sentence("x" * 1000 + "\nthe end\n").endswith("the end")
    assert sentence("\n") == "it said nothing"
