"""Characters that a terminal obeys, or a reader can't see, written out (docs/security.md)."""

from __future__ import annotations

import re

_UNPRINTED = re.compile(
    "["
    "\x00-\x08\x0b-\x1f"  # C0 without tab and newline; carriage return and backspace write over what was shown
    "\x7f-\x9f"  # delete, and C1: one character of it begins what ESC [ and ESC ] begin
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of writing direction
    "\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # no width; the joiners of scripts and emoji stay
    "\u2028\u2029"  # line and paragraph separator
    "\U000e0000-\U000e007f"  # tags: invisible letters
    "\ud800-\udfff"  # lone surrogates, which have no UTF-8
    "]"
)


def visible(text: str) -> str:
    r"""`text` with every control, direction and invisible character as `\uXXXX`; newline and tab stay.

    That is JSON's own escape: JSON means the same afterwards. Applied twice it changes nothing more.
    """
    return _UNPRINTED.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    return "".join(f"\\u{half:04x}" for half in (0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF)))
