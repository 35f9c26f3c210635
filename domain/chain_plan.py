"""Reading a chain plan document (rule 3.3): JSON or YAML, whole, fenced, or in prose; never a part of one."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from domain.documents import read_json, read_json_at, read_relaxed_json, read_yaml, without_comments
from domain.errors import DocumentBroken, NoPlanFound, PlanRefused
from domain.plan import PlannedStep, read_planned
from domain.plan_drafts import PlanDraft, belong_together
from domain.plan_shape import entries_of, is_plan, means_steps, seen_in

YAML_FILE = re.compile(r"\.ya?ml$", re.IGNORECASE)
PREFACE = 20_000
"""Characters of a plan before its first step."""
MAX_TRIES = 20_000
"""Places of a long text that look like JSON and are none; a plan of 200 steps has under 1,000."""
MAX_YAML = 50
"""Blocks of it that may be plans; each is read, slowly."""
READ_AGAIN = 10
"""How often the text's own length may be read in vain before it is given up."""

_NO_PLAN = 'no plan found: a chain plan is JSON, {"steps": [{"name": …, "task_plan": …}]}, or the same in a YAML file'
_START = re.compile(r'[{\[](?=\s*+(?:["{\[\]}]|//|/\*|(?:-?\d[\d.eE+-]*+|true|false|null)\s*+,))')
"""Of an object or a list: no other value can be a plan. A list of one number alone is a reference in prose."""
_PLAN_WORD = re.compile(r'"(?:steps|task_plan|taskPlan)"\s*+:')
_INSTRUCTIONS = re.compile(r"\btask_?plan\b", re.IGNORECASE)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*+"?|//[^\n]*|/\*(?:.*?\*/|.*)|[{\[\]}]', re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*+"?', re.DOTALL)
_ITEM = re.compile(r'(?:["\]}]|[\[,:]\s*+(?:-?\d[\d.eE+-]*|true|false|null))$')
"""What stands before a comma in a list or an object, and seldom in prose."""
_JSON_TOKEN = re.compile(
    r'\s*+(?:"(?:[^"\\]|\\.)*+"|(?P<opens>[{\[])|(?P<closes>[}\]])|[,:]|-?\d[\d.eE+-]*+|(?:true|false|null)\b)',
    re.DOTALL,
)
_FENCE = re.compile(r"^( {0,3}(?:`{3,}|~{3,}))[ \t]*([^\n`]*)$", re.MULTILINE)


@dataclass(frozen=True)
class _Piece:
    """A value in a text, or what should have been one."""

    start: int
    end: int
    value: Any = None
    broken: str = ""
    """Why what looks like a plan can't be read."""
    is_part: bool = False
    """It stands in a list or object that can't be read."""


def plan_artifact(names: Sequence[str]) -> str | None:
    """Which of a task's artifacts holds the plan: one that says so in its name, else the first (rule 3.3)."""
    named = [name for name in names if "chain" in name.lower() or "plan" in name.lower()]
    return next(iter([*named, *names]), None)


def read_plan_file(name: str, document: str) -> list[PlannedStep]:
    """The steps of a file that was handed over as a plan: YAML where its name says so. Raises like `read_chain_plan`;
    more than one plan in it is refused.
    """
    if YAML_FILE.search(name):
        return _read_whole(_parsed(read_yaml, document))
    return _read(document, only_one=True)


def read_chain_plan(document: str) -> list[PlannedStep]:
    """The steps that a message holds, the last plan where it holds several.

    NoPlanFound where nothing in it looks like a plan; PlanRefused where a step of it is malformed, where a part of it
    can't be read (cut off, for one), and where it holds several of which the last one may not be the whole.
    """
    return _read(document, only_one=False)


def _read(document: str, *, only_one: bool) -> list[PlannedStep]:
    for reader in (read_json, read_relaxed_json):
        try:
            value = reader(document)
        except DocumentBroken:
            continue
        return _read_whole(value)
    pieces = sorted(_pieces(document), key=lambda piece: piece.start)
    plans = [piece for piece in pieces if is_plan(piece.value)]
    behind = plans[-1].end if plans else 0
    for piece in pieces:
        if piece.broken and piece.start >= behind:
            raise PlanRefused(f"line {_line(document, piece.start)}: the plan that begins there: {piece.broken}")
    loose = [piece for piece in pieces if piece.start >= behind and not piece.is_part and means_steps(piece.value)]
    if loose:
        lines = ", ".join(str(_line(document, piece.start)) for piece in loose[:10])
        raise PlanRefused(f"{len(loose)} steps outside of a list, on the lines {lines}: put all steps into one list")
    if not plans:
        raise NoPlanFound(_nothing_in(document) if only_one else _NO_PLAN)
    if plans[-1].is_part or _is_end_of_a_list(document, plans[-1]):
        around = [piece for piece in pieces if piece.broken and piece.start < plans[-1].start][-1:]
        why = f" (line {_line(document, around[0].start)}: {around[0].broken})" if around else ""
        line = _line(document, plans[-1].start)
        raise PlanRefused(f"line {line}: the steps there stand in something that can't be read{why}; none was taken")
    found = [PlanDraft(piece.start, piece.end, piece.value) for piece in plans]
    if len(plans) > 1 and (only_one or belong_together(document, found)):
        lines = ", ".join(str(_line(document, piece.start)) for piece in plans[:10])
        raise PlanRefused(f"{len(plans)} plans, on the lines {lines}: put all steps into one")
    return read_planned(entries_of(plans[-1].value))


def _read_whole(value: object) -> list[PlannedStep]:
    if not is_plan(value):
        seen = f"{_NO_PLAN}; this is {seen_in(value)}"
        raise PlanRefused(seen) if means_steps(value) else NoPlanFound(seen)
    return read_planned(entries_of(value))


def _parsed(reader: Any, document: str) -> object:
    try:
        return reader(document)
    except DocumentBroken as broken:
        raise PlanRefused(str(broken)) from broken


def _nothing_in(document: str) -> str:
    """Why a file holds no plan that can be read: what is wrong with its JSON, where it is meant as such."""
    try:
        read_relaxed_json(document)
    except DocumentBroken as broken:
        return f"{_NO_PLAN}; as JSON, {broken}" if document.lstrip()[:1] in ("{", "[") else _NO_PLAN
    return _NO_PLAN


def _pieces(document: str) -> Iterator[_Piece]:
    fences = list(_yaml_fences(document))
    found = (_yaml_piece(document, start, end, closed=closed) for start, end, closed in fences)
    yield from islice(filter(None, found), MAX_YAML)
    if beyond := next(filter(None, found), None):
        yield _Piece(beyond.start, len(document), broken=f"there are more than {MAX_YAML} blocks of YAML with steps")
    yield from _json_pieces(document, fences)


def _yaml_fences(document: str) -> Iterator[tuple[int, int, bool]]:
    """Beginning and end of the text in each fence that is called YAML, and whether the fence is closed."""
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(document):
        if opened is None:
            opened = fence
        elif not fence[2].strip() and fence[1].startswith(opened[1]):
            if _is_yaml(opened):
                yield opened.end(), fence.start(), True
            opened = None
    if opened is not None and _is_yaml(opened):
        yield opened.end(), len(document), False


def _is_yaml(fence: re.Match[str]) -> bool:
    return fence[2].strip().lower() in ("yaml", "yml")


def _yaml_piece(document: str, start: int, end: int, *, closed: bool) -> _Piece | None:
    """A workflow of a forge has steps, too: only what has instructions for agents is meant as a plan."""
    text = document[start:end]
    if not _INSTRUCTIONS.search(text):
        return None
    try:
        return _Piece(start, end, read_yaml(text)) if closed else _Piece(start, end, broken="it is cut off")
    except DocumentBroken as broken:
        return _Piece(start, end, broken=str(broken))


def _json_pieces(document: str, fences: Sequence[tuple[int, int, bool]]) -> Iterator[_Piece]:
    words = [found.start() for found in _PLAN_WORD.finditer(document)]
    effort, tries, behind = READ_AGAIN * len(document) + 100_000, 0, 0
    before, extents = None, _Extents(document)
    closed_fences = [(begin, end) for begin, end, closed in fences if closed]
    for found in _START.finditer(document):
        start = found.start()
        if not words or start > words[-1]:
            return
        if tries > MAX_TRIES or effort < 0:
            yield _Piece(start, len(document), broken="too much before it looks like JSON and is none")
            return
        around = bisect(closed_fences, (start, len(document)))
        if start < behind or (around and start < closed_fences[around - 1][1]):
            continue
        try:
            value, end = read_json_at(document, start)
        except DocumentBroken as broken:
            tries += 1
            effort -= broken.read
            if words[bisect(words, start - 1)] - start > PREFACE:
                continue
            closed_at = extents.end_of(start)
            effort -= (closed_at or len(document)) - start
            piece = _relaxed(document, start, closed_at)
        else:
            piece = _Piece(start, end, value)
        if piece is None:
            continue
        if not piece.broken:
            behind = piece.end
            before = piece = _Piece(start, piece.end, piece.value, is_part=_stands_inside(document, start, before))
        yield piece


def _relaxed(document: str, start: int, end: int | None) -> _Piece | None:
    text = document[start:end]
    if not _PLAN_WORD.search(text) or _is_template(text):
        return None
    if end is None:
        return _Piece(start, len(document), broken="it is cut off, or a bracket is missing")
    try:
        return _Piece(start, end, read_relaxed_json(text))
    except DocumentBroken as broken:
        return _Piece(start, end, broken=f"seen from there, {broken}")


def _is_template(text: str) -> bool:
    """The form of a plan with dots for what belongs there, as a prompt shows it."""
    bare = _STRING.sub('""', without_comments(text))
    return "…" in bare or "..." in bare


class _Extents:
    """Where brackets are closed. A text is read once for all of them, or twice: quotes in prose begin no string."""

    def __init__(self, document: str) -> None:
        self._document = document
        self._ends: dict[int, int | None] = {}

    def end_of(self, start: int) -> int | None:
        """The place behind the bracket that closes the one at `start`; None: none does."""
        if start not in self._ends:
            self._read(start)
        return self._ends[start]

    def _read(self, start: int) -> None:
        opened: list[int] = []
        for token in _TOKEN.finditer(self._document, start):
            if token[0] in "{[":
                opened.append(token.start())
            elif token[0] in "]}":
                self._ends[opened.pop()] = token.end()
            if not opened:
                return
        self._ends.update(dict.fromkeys(opened))


def _stands_inside(document: str, start: int, before: _Piece | None) -> bool:
    """Whether a list or object is open around `start`: a value of a key, or not the first of several."""
    head = document[max(0, start - 1000) : start].rstrip()
    if head.endswith(","):
        end = start - len(document[max(0, start - 1000) : start]) + len(head[:-1].rstrip())
        if before is not None and before.end == end:
            return before.is_part
        return bool(_ITEM.search(head[:-1].rstrip()))
    if head.endswith(":"):
        return head[:-1].rstrip().endswith('"')
    return head.endswith(("[", "{"))


def _is_end_of_a_list(document: str, piece: _Piece) -> bool:
    """Whether a bracket is closed behind `piece` that is opened nowhere: its beginning was cut off."""
    before = document[: piece.start].rstrip()
    if before.strip(":") and not before.endswith(","):
        return False
    depth, at = 0, piece.end
    while token := _JSON_TOKEN.match(document, at):
        at = token.end()
        depth += bool(token["opens"]) - bool(token["closes"])
        if depth < 0:
            return True
    return False


def _line(document: str, place: int) -> int:
    return document.count("\n", 0, place) + 1
