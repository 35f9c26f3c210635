"""How deep and how large what others write may be, whatever its notation; pure."""

from __future__ import annotations

from math import isfinite

from domain.errors import DocumentBroken

DEEPEST = 100
"""Levels of lists and mappings in each other; whoever reads them afterwards may recurse."""
TOO_DEEP = f"more than {DEEPEST} levels of lists and objects in each other"
LONGEST_NUMBER = 300
"""Digits; Python itself refuses 4,300, a float holds 308."""
LARGEST_YAML = 512 * 1024
"""Characters: as long as a plan may be. It is read a hundred times as slowly as JSON."""


def integer(digits: str, base: int = 10) -> int:
    """Raises DocumentBroken, and ValueError for what is no number."""
    if len(digits) > LONGEST_NUMBER:
        raise DocumentBroken(f"a number of {len(digits)} digits")
    return int(digits, base)


def finite(number: str) -> float:
    """Raises like `integer`. No JSON holds what is none, and whoever counts on with it meets it much later."""
    found = float(number)
    if not isfinite(found):
        raise DocumentBroken(f"{number[:100]} is no finite number")
    return found
