"""Text of people, agents and programs in a prompt: marked as data, and nothing in it unseen or beyond its marks."""

from __future__ import annotations

import re

from domain.visible import visible


def fenced(language: str, text: str) -> str:
    """`text` in a fence that nothing in it can end, with what nobody can see in it written out; empty for none."""
    if not text:
        return ""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def in_a_line(text: str) -> str:
    """A name or a report as one line, so that it begins no heading and no paragraph of its own."""
    return visible(" ".join(text.split()))


def path_in_a_line(path: str) -> str:
    """A path, every blank of which counts."""
    return visible(path).replace("\n", r"\n").replace("\t", r"\t")
