"""What a checkpoint's message says of itself, as lines; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from daemon.git.agents_refs import LeftIn, LooseEnd
from daemon.git.git import commit_id

_BEGAN = "Makima-Began: "
_MERGING = "Makima-Merging: "
_BESIDE = "Makima-Beside: "
_END = re.compile(rf"^{_BESIDE}(?P<kind>\w+) (?P<commit>[0-9a-f]{{40,64}}) ?(?P<name>.*)$", re.MULTILINE)


class CheckpointNotes(NamedTuple):
    """Commits, or the empty text for what isn't said."""

    began: str
    merging: str
    beside: tuple[LooseEnd, ...]


def written(began: str, merging: str, beside: Sequence[LooseEnd]) -> str:
    """The lines; raises GitError for what is no commit."""
    lines = [f"{_BEGAN}{commit_id(began)}", *([f"{_MERGING}{commit_id(merging)}"] if merging else [])]
    lines += [f"{_BESIDE}{end.kind.name} {commit_id(end.commit)} {' '.join(end.name.split())}" for end in beside]
    return "".join(f"{line}\n" for line in lines)


def read(text: str) -> CheckpointNotes:
    """What the lines of `text` say; raises GitError for what is no commit."""
    found = [match.groupdict() for match in _END.finditer(text) if match["kind"] in LeftIn.__members__]
    beside = tuple(LooseEnd(LeftIn[each["kind"]], each["commit"], each["name"]) for each in found)
    return CheckpointNotes(_commit(text, _BEGAN), _commit(text, _MERGING), beside)


def _commit(text: str, trailer: str) -> str:
    line = next((line for line in text.splitlines() if line.startswith(trailer)), "")
    return commit_id(line.removeprefix(trailer)) if line else ""
