"""Characters that a terminal obeys, or a reader can't see, written out (docs/security.md)."""

from __future__ import annotations

import re
import unicodedata

MOST_MARKS = 5
"""Nonspacing marks on one letter: as many as a Hebrew one bears. Floods of them write over the lines around."""

_UNPRINTED = re.compile(
    "["
    "\x00-\x08\x0b-\x1f"  # C0 without tab and newline; carriage return and backspace write over what was shown
    "\x7f-\x9f"  # delete, and C1: one character of it begins what ESC [ and ESC ] begin
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of writing direction
    "\xad\u034f\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb"  # no width
    "\u2028\u2029"  # line and paragraph separator
    "\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0\U0001d159\U00016fe4"  # letters and marks without a picture
    "\ufe00-\ufe0d\U000e0000-\U000e0fff"  # selectors and tags: invisible letters, whole messages can be of them
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # controls of hieroglyphs, shorthand and music
    "\ud800-\udfff"  # lone surrogates, which have no UTF-8
    "]"
)
_SELECTORS = "\u180b\u180c\u180d\u180f"
"""Of Mongolian letters."""
_EMOJI_STYLE, _JOINERS = "\ufe0e\ufe0f", "\u200c\u200d"
_JOINING = re.compile(f"[{_SELECTORS}{_EMOJI_STYLE}{_JOINERS}]")
"""Invisible as well, and needed where they belong."""
_LONG = re.compile(f"[\u0300-\U0010ffff]{{{MOST_MARKS + 1},}}")
"""Whatever may hold too many marks."""
_HAS_STYLES = frozenset({"So", "Sm", "Po", "Pd", "Nd"})
_SKIN = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


def visible(text: str) -> str:
    r"""`text` with every control, direction and invisible character as `\uXXXX`, and so marks beyond the fifth on one
    letter. Newline and tab stay, and joiners and selectors that belong to a script or an emoji.

    That is JSON's own escape: JSON means the same afterwards. Applied twice it changes nothing more.
    """
    if not text.isascii():
        text = _LONG.sub(_without_flood, _JOINING.sub(_where_it_belongs, text))
    return _UNPRINTED.sub(_escape, text)


def _where_it_belongs(found: re.Match[str]) -> str:
    return found[0] if _belongs(found.string, found.start()) else _escape(found)


def _belongs(text: str, at: int) -> bool:
    """Whether the joiner or selector there is behind what it changes, one each; anywhere else it hides something."""
    joining, before = text[at], text[at - 1] if at else " "
    category = unicodedata.category(before)
    if joining in _EMOJI_STYLE:
        return category in _HAS_STYLES or before == "\u2139"
    if joining in _SELECTORS:
        return "\u1820" <= before <= "\u18aa"
    if _JOINING.match(before):
        return before not in _JOINERS and _belongs(text, at - 1)
    return category == "So" or before in _SKIN or (category[0] in "LM" and _is_of_joined_script(before))


def _is_of_joined_script(letter: str) -> bool:
    """From Hebrew to Indic scripts; Latin, Greek, Cyrillic and East Asian ones don't join letters."""
    return ("\u0590" <= letter <= "\u1cff" and not "\u1100" <= letter <= "\u11ff") or "\ua8e0" <= letter <= "\uabff"


def _without_flood(found: re.Match[str]) -> str:
    shown, marks = [], 0
    for each in found[0]:
        if unicodedata.category(each) in ("Mn", "Me"):
            marks += 1
        elif each not in _JOINERS:
            marks = 0
        shown.append(_escaped(each) if marks > MOST_MARKS else each)
    return "".join(shown)


def _escape(found: re.Match[str]) -> str:
    return _escaped(found[0])


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return "".join(f"\\u{half:04x}" for half in (0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF)))
