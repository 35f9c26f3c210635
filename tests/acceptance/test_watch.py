"""`watch` as an operator meets it: a live tree on a terminal, lines in a pipe, on a directive that really runs."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from typing import Self

import pytest
from rich.text import Text

from tests.acceptance.greeter import FIRST_STEPS, Greeter
from tests.acceptance.stack import STARTER, Site, environment, until

COLUMNS, ROWS = 80, 40
CLEARED = "\x1b[2K"


class Terminal:
    """A command of starter.py on a terminal of 80 columns; what it has written so far."""

    def __init__(self, site: Site, *args: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        env = environment(MAKIMA_DATA_DIR=site.servers.data, MAKIMA_OWNER=site.owner, TERM="xterm-256color")
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            env.pop(name, None)
        self.popen = subprocess.Popen(
            [*STARTER, *args], env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.wait()
        self._reader.join()
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._ours, 65536)
            except OSError:  # the other end is closed: this is how a terminal says so
                return
            self._written += read

    @property
    def text(self) -> str:
        return self._written.decode(errors="ignore").replace("\r", "")

    @property
    def frames(self) -> list[str]:
        """What stood on the terminal at each moment, without colours; the last one is what was left."""
        return [Text.from_ansi(frame).plain for frame in self.text.split(CLEARED) if frame.strip()]

    def wait(self) -> int:
        code = self.popen.wait(300)
        self._reader.join()
        return code


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
