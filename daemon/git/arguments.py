"""How many names git is given with one command: agents make files as many and with names as long as they like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MOST_ARGUMENTS = 100_000
"""Characters of names that one command is given: the kernel refuses a command of more than two million bytes."""


def batches(names: Iterable[str]) -> Iterator[list[str]]:
    """The names in their order, as many at a time as one command may be given; none for no names."""
    batch: list[str] = []
    size = 0
    for name in names:
        if batch and size + len(name) > MOST_ARGUMENTS:
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += len(name)
    if batch:
        yield batch
