"""How settings say what a program's last words or its exit code mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

from daemon.process.program import ProcessEnd
from domain.value import Value


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


class Sign(Value):
    """How a program says something: by a line of its last output, by its exit code, or by either."""

    patterns: tuple[Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_pattern)], ...] = ()
    """Regular expressions, searched in each of the last lines (4,096 characters), whatever the letter case."""
    exit_codes: tuple[Annotated[int, Field(ge=0, le=255)], ...] = ()

    def line(self, tail: str) -> str | None:
        """The last line that a pattern is found in."""
        found = [re.compile(pattern, re.IGNORECASE) for pattern in self.patterns]
        return next((line for line in reversed(tail.splitlines()) if any(each.search(line) for each in found)), None)

    def begins(self, lines: Iterable[str]) -> bool:
        """Whether one of the lines begins with a pattern; a line that only mentions it means something else."""
        found = [re.compile(pattern, re.IGNORECASE) for pattern in self.patterns]
        return any(each.match(line.lstrip()) for line in lines for each in found)

    def is_given(self, end: ProcessEnd) -> bool:
        return end.exit_code in self.exit_codes or self.line(end.tail) is not None
