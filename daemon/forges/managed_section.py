"""Our part of a pull request's title and description, and what people have written: theirs stays (rule 7.4); pure."""

from __future__ import annotations

import hashlib
import re

BODY_LIMIT = 65_536
"""Characters that GitHub takes."""
_BEGIN = re.compile(r"<!-- makima:begin title=([0-9a-f]{12})[^>]*-->")
_END = "<!-- makima:end -->"
_EARLIER = "<!-- makima:directive:"
"""Stands in what earlier versions wrote, which is ours as a whole."""


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
