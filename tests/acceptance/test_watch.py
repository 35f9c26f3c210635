"""`watch` as an operator meets it: a live tree on a terminal, lines in a pipe, on a directive that really runs."""

from __future__ import annotations

import signal

import pytest
from rich.text import Text

from tests.acceptance.greeter import FIRST_STEPS, Greeter
from tests.acceptance.stack import Site, until
from tests.acceptance.terminals import CLEARED, COLUMNS, Terminal


@pytest.mark.rule("6.11")
@pytest.mark.rule("9.3")
def test_watch_shows_a_live_tree_that_fits_and_leaves_a_summary(site: Site) -> None:
    site.worker()
    site.daemon()
    greeter = Greeter(site)
    directive = greeter.start_only()
    greeter.until_running(*FIRST_STEPS)
    check_that_ctrl_c_leaves_a_summary(site)
    with Terminal(site, "watch", directive[:8]) as terminal:
        running = until(lambda: next((f for f in terminal.frames if "one: agent" in f), None), "a running step's phase")
        assert "Greeter" in running
        assert "0/5" in running
        for step in FIRST_STEPS:
            assert f"● {step}" in running
        assert "waits for" in running
        piped = site.starting("piped", "watch")
        greeter.let("all")
        assert terminal.wait() == 0
        frames = terminal.frames
    assert max(Text(line).cell_len for frame in frames for line in frame.splitlines()) <= COLUMNS
    assert any("5/5" in frame or "4/5" in frame for frame in frames), frames
    left = terminal.text.rpartition(CLEARED)[2]
    assert "5 completed;" in left
    assert left.rstrip().endswith("Greeter: idle")
    assert piped.wait() == 0
    lines = piped.out.splitlines()
    assert "\x1b" not in piped.out
    assert any(line.startswith("  completed  Changelog") for line in lines)
    assert lines[-1] == "Greeter: idle"
    check_the_other_views(site, greeter, directive[:8])


def check_that_ctrl_c_leaves_a_summary(site: Site) -> None:
    with Terminal(site, "watch") as terminal:
        until(lambda: "● Changelog" in "".join(terminal.frames), "the tree of all directives")
        terminal.popen.send_signal(signal.SIGINT)
        assert terminal.wait() == 130
        left = terminal.text.rpartition(CLEARED)[2]
    assert "2 running" in left
    assert left.rstrip().endswith("Greeter: active")


def check_the_other_views(site: Site, greeter: Greeter, directive: str) -> None:
    """On the same finished directive, whose repository holds what its steps changed."""
    graph = site.starter("graph", directive).out
    assert graph.count("✔") == 5
    stat = site.starter("diff", directive, "Changelog", "--stat", XDG_CACHE_HOME=greeter.origin.parent / "cache")
    assert "done/Changelog" in stat.out, stat
    assert "there is nothing left to do" in site.starter("why", directive, "Changelog").out
    costs = site.starter("costs", directive, "--json").json()
    assert len(costs["attempts"]) >= 6
    assert costs["total"]["seconds"] > 0
