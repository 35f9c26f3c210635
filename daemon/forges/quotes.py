"""What a person who is heard quotes of one who is not; pure.

An answer by mail quotes the whole comment that it answers, without its author's doing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from domain.pull_request import Finding

QUOTED_UNHEARD = "> (quoted from somebody who is not heard)"
MOST_COMPARED = 100
"""Quoting lines of one text that are compared with all that is not heard; what is quoted beyond is left out."""
_QUOTE = re.compile(r"[ \t]*>[> \t]*")


def unquoted(text: str) -> str:
    """`text` without the lines that quote."""
    return "\n".join(line for line in text.splitlines() if not _QUOTE.match(line))


def without_quotes(findings: Iterable[Finding], unheard: Iterable[str]) -> list[Finding]:
    """The findings, with one line in place of each quote of a text that is not heard."""
    known = [_plain(text) for text in unheard]
    return [
        each.model_copy(update={"text": _without(each.text, known)}) if known and ">" in each.text else each
        for each in findings
    ]


def _without(text: str, known: list[str]) -> str:
    kept: list[str] = []
    compared = 0
    for line in text.split("\n"):
        quote = _QUOTE.match(line)
        words = _plain(line[quote.end() :]) if quote else ""
        compared += bool(words)
        is_unheard = compared > MOST_COMPARED or any(words in each for each in known)
        shown = QUOTED_UNHEARD if words and is_unheard else line
        if shown != QUOTED_UNHEARD or kept[-1:] != [QUOTED_UNHEARD]:
            kept.append(shown)
    return "\n".join(kept)


def _plain(text: str) -> str:
    """As it is compared: quotes are folded anew, and a person may write in another case."""
    return " ".join(text.split()).casefold()
