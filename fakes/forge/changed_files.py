"""Which files a pull request changes, and by how many lines."""

from __future__ import annotations

from typing import Any

from fakes.forge.records import Pull
from fakes.forge.store import Repository

_KINDS = {"A": "added", "D": "removed", "M": "modified"}


async def changed_files(repository: Repository, pull: Pull) -> list[dict[str, Any]]:
    """What it does to each file, as git tells it: the letter of the change, and the lines."""
    ends = (pull.base_sha, pull.head_sha)
    counts = (await repository.git.diff(*ends, "--numstat", "-z", "--no-renames")).split("\0")
    letters = (await repository.git.diff(*ends, "--name-status", "-z", "--no-renames")).split("\0")
    kinds = dict(zip(letters[1::2], letters[::2], strict=False))
    files = []
    for added, removed, name in (line.split("\t", 2) for line in counts if line):
        lines = {"additions": _count(added), "deletions": _count(removed)}
        files.append({"filename": name, "status": _KINDS.get(kinds[name], "changed"), **lines})
    return files


def _count(text: str) -> int:
    return int(text) if text.isdecimal() else 0  # "-" of a binary file
