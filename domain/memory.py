"""What a directive's agents may keep for each other, and how much of it (rule 1)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from domain.errors import Refused
from domain.models import Memory

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_ENTRIES = 100
MAX_ENTRY = 8 * 1024
MAX_TOTAL = 128 * 1024


def remembered(memories: Mapping[str, Memory], new: Memory) -> dict[str, Memory]:
    """`memories` with `new` in it; Refused, with the limit named, where that would be too much."""
    if not new.key.strip():
        raise Refused("a memory needs a key")
    if _CONTROL.search(new.key):
        # Among others NUL, for which the record has another character: two keys would become one there.
        raise Refused(f"memory {new.key!r}: a key holds no control characters")
    if size(new) > MAX_ENTRY:
        raise Refused(f"memory {new.key!r}: an entry has at most {MAX_ENTRY // 1024} KiB")
    after = {**memories, new.key: new}
    if len(after) > MAX_ENTRIES:
        raise Refused(f"a directive has at most {MAX_ENTRIES} memories: delete one first")
    if sum(size(memory) for memory in after.values()) > MAX_TOTAL:
        raise Refused(f"a directive's memories hold at most {MAX_TOTAL // 1024} KiB in all: delete some first")
    return after


def forgotten(memories: Mapping[str, Memory], key: str) -> dict[str, Memory]:
    """`memories` without `key`; Refused where it isn't there."""
    if key not in memories:
        raise Refused(f"there is no memory {key!r}")
    return {other: memory for other, memory in memories.items() if other != key}


def size(memory: Memory) -> int:
    """Bytes of UTF-8 in an entry."""
    return len((memory.key + memory.value + memory.category).encode())
