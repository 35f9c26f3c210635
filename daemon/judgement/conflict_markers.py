"""Conflict markers that the work has added: not those that stood in a file before.

How long a marker is, a repository says itself (`conflict-marker-size` in .gitattributes), as git's manual has it: a
text about conflicts gives its file another length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from daemon.git.commits import attribute
from daemon.judgement.check import Examined, Fault, fault, named
from domain.failures import FailureCategory

USUAL = 7
SHORTEST = 3
_LABELS = re.compile(r" (HEAD|ours|theirs|Updated upstream|Stashed changes|[0-9a-f]{7,64}( \(.*\))?)$")
"""What git itself writes behind a marker: then one alone is enough."""
_FILE = re.compile(r"^\+\+\+ (.*)$")
_HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,\d+)? @@")
_MARKDOWN = re.compile(r"\.(?:md|mdx|markdown)$", re.IGNORECASE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
_SEARCHED = f"^[<>]{{{SHORTEST},}}"
_REMEDY = (
    "Make of each conflict what it has to be, keep what both sides need, and remove every line that begins with "
    "<<<<<<<, |||||||, ======= or >>>>>>>. If such lines belong there (a text about git), indent them, or give the "
    "file another `conflict-marker-size` in .gitattributes."
)
Lines = dict[int, str]
"""Number → text, of lines of a file."""


async def conflict_markers(work: Examined) -> Fault | None:
    """What a conflict looks like, in lines that none of the work's parents has."""
    added = await _added(work)
    sizes = await _sizes(work, [path for path, lines in added.items() if lines]) if added else {}
    left = [
        path
        for path, lines in added.items()
        if has_markers(lines, sizes.get(path, USUAL), path in work.conflicted)
        and not await _is_example(work, path, sizes.get(path, USUAL))
    ]
    if not left:
        return None
    return fault(FailureCategory.CONFLICT, f"conflict markers are left in {named(left)}", _REMEDY)


def has_markers(added: Mapping[int, str], size: int, in_conflict: bool = False) -> bool:
    """Whether there is a whole conflict in the added lines: where it starts, what parts it, where it ends, in this
    order; or one line that only git writes. `in_conflict`: the file was given in conflict, so any of them counts. Pure.
    """
    start, end = (re.compile(rf"^{mark}{{{size}}}( .*)?$") for mark in "<>")
    parted = re.compile(rf"^={{{size}}}$")
    wanted = [start, parted, end]
    for _, text in sorted(added.items()):
        line = text.rstrip("\r\n")
        is_edge = start.match(line) or end.match(line)
        if is_edge and (in_conflict or _LABELS.match(line[size:])):
            return True
        if wanted[0].match(line):
            wanted = wanted[1:]
            if not wanted:
                return True
    return False


async def _is_example(work: Examined, path: str, size: int) -> bool:
    """Whether the markers stand in fenced blocks of a new Markdown file: a text about conflicts. git can't have written
    them, for it merges what was there before.
    """
    if not _MARKDOWN.search(path) or path in work.conflicted:
        return False
    for parent in work.parents:
        if (await work.cache.local("cat-file", "-e", f"{parent}:{path}", also=(1, 128))).exit_code == 0:
            return False
    text = (await work.cache.local("cat-file", "blob", f"{work.head}:{path}")).stdout.decode(errors="replace")
    return not has_markers(outside_fences(text), size)


def outside_fences(text: str) -> Lines:
    """The lines of a Markdown text that stand in no fenced block; one that is never closed is none. Pure."""
    found: Lines = {}
    block: Lines = {}
    opened = ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if opened:
            block[number] = line
            if fence and fence[1].startswith(opened) and not fence[2].strip():
                opened, block = "", {}
        elif fence:
            opened, block = fence[1], {number: line}
        else:
            found[number] = line
    return {**found, **block}


async def _added(work: Examined) -> dict[str, Lines]:
    """Path → the lines that no parent has, of files in which some of them look like a marker."""
    found: dict[str, Lines] | None = None
    for parent in work.parents:
        lines = added_lines(await _difference(work, parent))
        if found is None:
            found = lines
        else:
            both = found.keys() & lines.keys()
            found = {path: {no: found[path][no] for no in found[path].keys() & lines[path].keys()} for path in both}
    return {path: lines for path, lines in (found or {}).items() if lines}


async def _difference(work: Examined, parent: str) -> str:
    shown = ("--unified=0", "--find-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--no-prefix")
    options = ("-c", "core.quotePath=false", "diff", *shown, f"-G{_SEARCHED}", parent, work.head)
    done = await work.cache.git.run(*options, repository=work.cache.folder)
    return done.text


def added_lines(difference: str) -> dict[str, Lines]:
    """What a `git diff --unified=0 --no-prefix` adds: path → number → text; pure."""
    found: dict[str, Lines] = {}
    path, number, left = "", 0, 0
    for line in difference.split("\n"):
        if left and line.startswith("+"):
            found.setdefault(path, {})[number] = line[1:]
            number, left = number + 1, left - 1
        elif not left and (hunk := _HUNK.match(line)):
            number, left = int(hunk[1]), _count(line)
        elif not left and (file := _FILE.match(line)):
            path = _unquoted(file[1])
    return found


def _count(hunk: str) -> int:
    counted = re.match(r"^@@ -\S+ \+\d+,(\d+) @@", hunk)
    return int(counted[1]) if counted else 1


def _unquoted(name: str) -> str:
    """git quotes a name with control characters, and ends one with blanks in it by a tab."""
    name = name.rstrip("\t")
    if not name.startswith('"'):
        return name
    plain = name[1:-1].encode(errors="surrogateescape").decode("unicode_escape").encode("latin-1")
    return plain.decode(errors="surrogateescape")


async def _sizes(work: Examined, paths: Sequence[str]) -> dict[str, int]:
    """How long the markers of these files are, by the attributes in the work itself."""
    told = await attribute(work.cache, work.head, "conflict-marker-size", paths)
    return {path: int(value) for path, value in told.items() if value.isdecimal() and int(value) >= SHORTEST}
