"""The guides as a reader with a shell follows them: which blocks are typed where, and what they are said to print.

A block ```` ```sh ```` is typed as it stands; ```` ```sh terminal ```` into a terminal of its own, where it goes on;
```` ```sh elsewhere ```` needs what no test has (an account, a second machine). A block ```` ```text ```` after one of
them is what it prints: these lines in this order, with others between them; "…" stands for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Commands, where they are typed, and the lines that they print."""

    commands: str
    where: str  # "", "terminal", "elsewhere"
    prints: tuple[str, ...] = ()

    def missing(self, output: str) -> str | None:
        """The first line that `output` lacks after those before it; None if it has them all."""
        rest = iter(output.splitlines())
        for line in self.prints:
            pattern = re.compile(".*".join(re.escape(part) for part in line.strip().split("…")))
            if not any(pattern.fullmatch(each.strip()) for each in rest):
                return line
        return None


def blocks(guide: str) -> list[Block]:
    """The blocks of a guide, in order."""
    return list(_blocks((GUIDES / guide).read_text()))


def _blocks(text: str) -> Iterator[Block]:
    block: Block | None = None
    for language, where, inside in FENCE.findall(text):
        if language == "text" and block:
            yield Block(block.commands, block.where, tuple(line for line in inside.splitlines() if line.strip()))
            block = None
            continue
        if block:
            yield block
        block = Block(inside, where) if language == "sh" else None
    if block:
        yield block
