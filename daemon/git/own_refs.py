"""Refs of a repository that only the daemon's git writes, read from its files: a process takes longer than the look.

In the order in which git itself looks: a ref's own file, then packed-refs, where git puts it before that file goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_NAME = re.compile(r"refs(?:/(?!\.)[^/\x00-\x20\x7f~^:?*\[\\]+)+/?")
_OBJECT = re.compile(rb"(?!0+\n)(?:[0-9a-f]{40}|[0-9a-f]{64})\n")
_PACKED = re.compile(rb"([0-9a-f]{40,64}) ([^\n]+)")


def read(git_dir: Path, names: Sequence[str]) -> dict[str, str] | None:
    """Ref → object, of those that are called so, or lie in a folder that is called so, in the order of their names.
    None: git has to be asked, for something is not as plain files keep it. Blocking; OSError.
    """
    if not (git_dir / "HEAD").is_file() or (git_dir / "reftable").exists():
        return None
    found: dict[str, str] = {}
    for name in names:
        if not _NAME.fullmatch(name):
            return None
        for ref, content in _loose(git_dir, name):
            if not _OBJECT.fullmatch(content):
                return None
            found[ref] = content.decode().strip()
    return dict(sorted({**dict(_packed(git_dir, names)), **found}.items()))


def _loose(git_dir: Path, name: str) -> Iterator[tuple[str, bytes]]:
    at = git_dir / name
    for path in sorted(at.rglob("*")) if at.is_dir() else [at]:
        try:
            if path.suffix != ".lock" and path.is_file():
                yield path.relative_to(git_dir).as_posix(), path.read_bytes()
        except FileNotFoundError:
            continue  # deleted meanwhile


def _packed(git_dir: Path, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Its lines are found by their names: it may have as many as a remote has branches."""
    try:
        listed = (git_dir / "packed-refs").read_bytes()
    except FileNotFoundError:
        return
    for name in names:
        at = listed.find(wanted := f" {name}".encode())
        while at != -1:
            begins, ends = listed.rfind(b"\n", 0, at) + 1, listed.find(b"\n", at)
            line = _PACKED.fullmatch(listed, begins, ends if ends != -1 else len(listed))
            ref = line[2].decode(errors="surrogateescape") if line else ""
            if line and (name.endswith("/") or ref == name or ref.startswith(f"{name}/")):
                yield ref, line[1].decode()
            at = listed.find(wanted, at + 1)
