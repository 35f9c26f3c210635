"""Our part of a pull request's title and description, and what people have written: theirs stays (rule 7.4); pure."""

from __future__ import annotations

import hashlib
import re

from daemon.forges.plain_text import plain_text

BODY_LIMIT = 65_536
"""Characters that GitHub takes."""
_BEGIN = re.compile(r"<!-- makima:begin title=([0-9a-f]{12})[^>]*-->")
_END = "<!-- makima:end -->"
_EARLIER = "<!-- makima:directive:"
"""Stands in what earlier versions wrote, which is ours as a whole."""
_FRONT_MATTER = re.compile(r"\A\s*---\n.*?\n---\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_FENCE = re.compile(r" {0,3}(```|~~~)")
_DESCRIPTION = re.compile(
    r" {0,3}#{1,6}\s.*\b(description|summary|overview|changes|changed|what|why|motivation|purpose)\b", re.IGNORECASE
)
"""A heading below which a template wants to be told what it is about."""


def is_ours(body: str) -> bool:
    """Whether we have opened it, or written into it before."""
    return bool(_BEGIN.search(body)) or _EARLIER in body


def title_of(title: str, body: str, wanted: str) -> str:
    """The wanted one, unless a person has given it another than the one that we wrote last."""
    if not is_ours(body):
        return title
    begin = _BEGIN.search(body)
    return title if begin and begin[1] != _digest(title) else wanted


def body_of(body: str, title: str, wanted: str) -> str:
    """`body` with our part brought to `wanted`: in its place, or below what a person has written. `title` is the one
    that it was last told by us.
    """
    before, after = _around(body)
    begin = f"<!-- makima:begin title={_digest(title)} (up to its end, this is written anew each time) -->"
    room = BODY_LIMIT - len(f"{before}{begin}\n\n{_END}{after}")
    return f"{before}{begin}\n{wanted.strip()[: max(room, 0)]}\n{_END}{after}"


def filled(template: str, title: str, wanted: str) -> str:
    """`template` with our part below its first heading that asks for a description, else before everything. What it
    says to whom fills it in, in comments that no reader sees, is left out; so none hides our part, or is taken for it.
    """
    text = _COMMENT.sub("", _FRONT_MATTER.sub("", plain_text(template))).replace("<!--", "<! --")
    lines = text.strip().split("\n")
    at = _place_in(lines)
    before, after = "\n".join(lines[:at]), re.sub(r"\n{3,}", "\n\n", "\n".join(lines[at:])).strip()
    ours = body_of("", title, "")
    around = f"{before}\n\n{ours}\n\n{after}".strip() if text.strip() else ours
    return body_of(around, title, wanted)


def _place_in(lines: list[str]) -> int:
    """The number of lines before our part; what looks like a heading in a block of code is none."""
    fence = ""
    for number, line in enumerate(lines):
        if found := _FENCE.match(line):
            fence = "" if fence == found[1] else fence or found[1]
        elif not fence and _DESCRIPTION.match(line):
            return number + 1
    return 0


def _around(body: str) -> tuple[str, str]:
    begin = _BEGIN.search(body)
    if begin:
        _, found, after = body[begin.end() :].partition(_END)
        return body[: begin.start()], after if found else ""
    if not body.strip() or _EARLIER in body:
        return "", ""
    return f"{body.rstrip()}\n\n", ""


def _digest(title: str) -> str:
    return hashlib.sha256(title.strip().encode()).hexdigest()[:12]
