"""Paths of this machine in what is told to others: nobody elsewhere can open them, and they name its users; pure.

What an agent says of its work is full of the paths of its worktree. They become paths in the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_BEGINS = r"(?<![\w.-])(?:(?<!/)|(?<=file://))"
"""Where a path can begin: behind another path's part it would be that one's."""
_ENDS = r"(?![\w-])"
"""Behind the last part of a path, which must not go on."""


class SafePaths:
    """Knows where this machine's tasks and its daemon's files lie."""

    def __init__(self, tasks: Path, home: Path | None) -> None:
        """`tasks` holds the folders of deliveries; `home` is the home folder of the daemon's user."""
        folders = "|".join(re.escape(str(each)) for each in _names(tasks))
        data = "|".join(re.escape(str(each.parent)) for each in _names(tasks))
        delivery = rf"(?:{folders})/[^/\s]+"
        self._work = [
            (re.compile(rf"{delivery}/work/+(?=[^\s/\"'`,;)\]])"), ""),
            (re.compile(rf"{delivery}/work{_ENDS}/?"), "."),
            (re.compile(rf"{delivery}/task{_ENDS}"), "<task folder>"),
        ]
        self._machine = [(re.compile(rf"(?:{data}){_ENDS}"), "<daemon's folder>")]
        if home is not None and len(home.parts) > 1:
            named = "|".join(re.escape(str(each)) for each in _names(home))
            self._machine.append((re.compile(rf"{_BEGINS}(?:{named}){_ENDS}"), "~"))

    def hide(self, text: str) -> str:
        """`text` with paths in the repository, or of no machine, in place of this machine's."""
        return _replaced(self.hide_work(text), self._machine)

    def hide_work(self, text: str) -> str:
        """The same for paths of tasks alone, where somebody is told what to do on this machine."""
        return _replaced(text, self._work)


def _replaced(text: str, known: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for path, replacement in known:
        text = path.sub(replacement, text)
    return text


def _names(path: Path) -> Iterable[Path]:
    """As it was given, and as a program finds out that it is called; the longer first."""
    return sorted({path.absolute(), path.resolve()}, key=lambda each: -len(str(each)))
