"""A diff in parts that a page can show; pure."""

from __future__ import annotations

from dataclasses import dataclass

LINES_SHOWN = 1_000
"""Of each file."""


@dataclass(frozen=True)
class Line:
    text: str
    kind: str
    """`add`, `cut`, `hunk` or `same`."""


@dataclass(frozen=True)
class FileDiff:
    name: str
    added: int
    removed: int
    lines: tuple[Line, ...]
    left_out: int
    """How many lines are not among `lines`."""


def files_of(diff: str) -> tuple[FileDiff, ...]:
    """The files of git's unified diff, each with what comes after its header."""
    files: list[list[str]] = []
    for text in diff.split("\n"):
        if text.startswith("diff --git "):
            files.append([])
        if files:
            files[-1].append(text)
    return tuple(_file(lines) for lines in files)


def _file(texts: list[str]) -> FileDiff:
    start = next((place for place, text in enumerate(texts) if text.startswith("@@")), len(texts))
    header, body = texts[:start], texts[start:]
    lines = [Line(text, _kind(text)) for text in (body or header[1:]) if text]
    counts = {kind: sum(line.kind == kind for line in lines) for kind in ("add", "cut")}
    return FileDiff(
        _name(header), counts["add"], counts["cut"], tuple(lines[:LINES_SHOWN]), max(len(lines) - LINES_SHOWN, 0)
    )


def _name(header: list[str]) -> str:
    """The file's new name, or its old one where it is gone."""
    for mark in ("+++ b/", "rename to ", "--- a/"):
        for text in header:
            if text.startswith(mark):
                return text.removeprefix(mark).rstrip("\t")
    return header[0].rpartition(" b/")[2]


def _kind(text: str) -> str:
    return {"+": "add", "-": "cut", "@": "hunk"}.get(text[0], "same")
