"""The guides stay true: their commands are typed in order, on one stack, in a home folder of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.stack import ROOT, STARTER, Running, environment, processes_of, until
from tests.guides.blocks import Block, blocks

FOLLOWED = ("first-directive.md", "answering-questions.md", "re-planning.md", "what-a-crash-does.md")
"""In this order: the later ones go on where the first one ends."""


class Shell:
    """A bash that is typed into, one block after the other, with all that it has printed."""

    def __init__(self, folder: Path, env: dict[str, str], output: Path) -> None:
        self._output = output
        with output.open("w") as out:
            self._bash = subprocess.Popen(
                ["bash"], cwd=folder, env=env, stdin=subprocess.PIPE, stdout=out, stderr=out, text=True
            )

    def type(self, block: Block) -> str:
        """What a block prints, once its last command has ended."""
        assert self._bash.stdin is not None
        before = self._output.stat().st_size
        # Its commands must not read the blocks that follow.
        self._bash.stdin.write(f"{{\n{block.commands}}} < /dev/null\necho '=== typed'\n")
        self._bash.stdin.flush()
        until(partial(self._has_ended, before), f"the end of\n{block.commands}")
        return self._printed(before)

    def end(self) -> None:
        self._bash.kill()
        self._bash.communicate()

    def _has_ended(self, before: int) -> bool:
        return "=== typed" in self._printed(before)

    def _printed(self, before: int) -> str:
        return self._output.read_bytes()[before:].decode()


class Reader:
    """Somebody with a new home folder, in a folder that holds what a clone holds."""

    def __init__(self, folder: Path) -> None:
        self._home, self._clone = folder / "home", folder / "clone"
        for each in (self._home, self._clone):
            each.mkdir()
        (self._clone / ".venv").symlink_to(sys.prefix)
        (self._clone / "starter.py").symlink_to(ROOT / "starter.py")
        self._env = environment(HOME=self._home, XDG_CACHE_HOME=folder / "cache")
        self._terminals: list[Running] = []

    def follow(self, guide: str) -> None:
        """Type all blocks of a guide, and compare what they print with what it says."""
        shell = Shell(self._clone, self._env, self._home / f"{guide}.out")
        try:
            for block in blocks(guide):
                if block.where == "terminal":
                    self._open_terminal(block)
                elif not block.where:
                    printed = shell.type(block)
                    assert (block.missing(printed), printed) == (None, printed)
        finally:
            shell.end()

    def stop(self) -> None:
        """End the stack, and whatever has not ended with it."""
        data = self._home / "makima-guide" / "data"
        subprocess.run([*STARTER, "down"], env={**self._env, "MAKIMA_DATA_DIR": str(data)}, check=False, timeout=90)
        for terminal in self._terminals:
            terminal.kill()
        for left in processes_of(self._home):
            os.kill(left, signal.SIGKILL)

    def _open_terminal(self, block: Block) -> None:
        name = f"terminal-{len(self._terminals)}"
        running = Running(name, ("bash", "-c", f"cd {self._clone}\n{block.commands}"), self._env, self._home)
        self._terminals.append(running)
        until(lambda: block.missing(running.out) is None, f"what {block.commands!r} prints")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    one = Reader(tmp_path)
    try:
        yield one
    finally:
        one.stop()


def test_the_guides_do_what_they_say(reader: Reader) -> None:
    for guide in FOLLOWED:
        reader.follow(guide)
