"""Commands in a shell that gives them strange arguments or takes their output away: one line and the right code."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.stack import STARTER, Site, environment, typed, until

NOBODY = "127.0.0.1:1"


def typed_in_a_shell(command: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `command` in a shell; `makima` in it is starter.py."""
    script = command.replace("makima", shlex.join(STARTER), 1)
    env = environment(MAKIMA_DATA_DIR=folder / "nothing")
    ran = subprocess.run(["bash", "-c", script], env=env, capture_output=True, check=False, timeout=90)
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


@pytest.mark.rule("9.3")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("makima --help > /dev/full", 1, "the output can't be written: the disk is full"),
        ("makima status nobody >&-", 3, "no stack is running"),
        (r"makima status $'\xff'", 2, "is not text in UTF-8"),
        ("makima archive nobody <&-", 2, "add --yes"),
    ],
)
def test_one_line_says_what_is_wrong(command: str, code: int, said: str, tmp_path: Path) -> None:
    ended, out, err = typed_in_a_shell(command, tmp_path)
    assert (ended, out, err.count("\n")) == (code, "", 1), err
    assert said in err


@pytest.mark.rule("9.3")
@pytest.mark.parametrize(
    ("words", "variables", "code", "said"),
    [
        (("answer", "a", "b", "c"), {}, 2, "question: at least 4 characters are needed"),
        (("goal", "a", ""), {}, 2, "goal: it may not be empty"),
        (("set-pr", "a", "ftp://x"), {}, 2, "an address that begins with http:// or https:// is needed"),
        (("watch", "a", "--until", "tomorrow"), {}, 2, "'rest', 'attention'"),
        (("restart",), {}, 3, "no stack is running"),
        (("restart", "forge"), {}, 2, "'daemon', 'worker'"),
        (
            ("daemons",),
            {"MAKIMA_DATABASE_URL": f"postgresql://x@{NOBODY}/x"},
            *(3, f"Postgres at {NOBODY} does not answer"),
        ),
        (("watch",), {"TEMPORAL_ADDRESS": NOBODY}, 3, f"Temporal at {NOBODY} is not reachable"),
        (("up",), {"MAKIMA_DATA_DIR": "/proc/none"}, 1, "set MAKIMA_DATA_DIR to another folder"),
        (("list",), {"MAKIMA_OWNER": "a b"}, 2, "MAKIMA_OWNER"),
    ],
)
def test_one_line_says_what_is_wrong_with_words_and_variables(
    words: tuple[str, ...], variables: dict[str, str], code: int, said: str, tmp_path: Path
) -> None:
    ran = typed(words, environment(**{"MAKIMA_DATA_DIR": str(tmp_path / "nothing"), **variables}))
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran
    assert said in ran.err


@pytest.mark.rule("9.3")
def test_without_any_stream_the_code_says_it_alone(tmp_path: Path) -> None:
    assert typed_in_a_shell("makima status nobody <&- >&- 2>&-", tmp_path) == (3, "", "")


@pytest.mark.rule("9.3")
def test_with_the_servers_there_strange_references_and_a_strange_namespace_are_one_short_line_too(site: Site) -> None:
    site.worker()
    until(lambda: site.starter("list").code == 0, "the record's tables")
    for reference in ("x" * 100_000, "", " ", "%", "-", "日本", "'; drop table directives", "line\nline"):
        ran = site.starter("status", "--", reference)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err[:200]
        assert len(ran.err) < 4000
    nowhere = site.starter("status", "somebody", TEMPORAL_NAMESPACE="nowhere")
    assert (nowhere.code, nowhere.out, nowhere.err.count("\n")) == (3, "", 1)
    assert "Namespace nowhere is not found" in nowhere.err
