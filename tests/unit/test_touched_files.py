"""What CONTRIBUTING.md says a change touches is what the code's own examples of such a change touch."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = (
    *("activities", "cli", "daemon", "docker", "domain", "ledger", "runtime", "stack", "steering", "workflows"),
    *("docker-compose.yml", "starter.py", "worker.py"),
)
STATEMENT_BEGINS = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
"""A string behind one of these is a docstring."""


def rows() -> dict[str, tuple[list[str], list[str]]]:
    """Change → the files (a folder ends with a slash) and the words by which its example is found."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.partition("## Which files a change touches")[2].partition("\n## ")[0]
    found = re.findall(r"^\| ([^|`]+) \| ([^|]+) \| ([^|]+) \|$", section, re.M)
    cells = {change: [re.findall(r"`([^`]+)`", cell) for cell in rest] for change, *rest in found[1:]}
    return {change: (files, words) for change, (files, words) in cells.items() if words}


@lru_cache
def code() -> dict[str, str]:
    """Every product file without its comments and docstrings."""
    listed = subprocess.run(["git", "ls-files", *PRODUCT], cwd=ROOT, capture_output=True, text=True, check=True)
    return {file: without_prose(file) for file in listed.stdout.split() if (ROOT / file).is_file()}


def without_prose(file: str) -> str:
    text = (ROOT / file).read_text()
    if not file.endswith(".py"):
        return re.sub(r"^\s*(?:--|#).*", "", text, flags=re.M)
    lines = text.splitlines(keepends=True)
    begins = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and begins):
            for row in range(token.start[0] - 1, token.end[0]):
                start = token.start[1] if row == token.start[0] - 1 else 0
                end = token.end[1] if row == token.end[0] - 1 else len(lines[row])
                lines[row] = lines[row][:start] + " " * (end - start) + lines[row][end:]
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            begins = token.type in STATEMENT_BEGINS
    return "".join(lines)


def test_the_table_has_the_changes_of_every_day() -> None:
    assert len(rows()) >= 12


@pytest.mark.parametrize("change", rows())
def test_an_example_of_a_change_is_named_in_the_files_of_the_table_and_in_no_other(change: str) -> None:
    files, words = rows()[change]
    named = {file for file, text in code().items() if any(word in text for word in words)}
    assert not {file for file in named if not any(is_in(file, each) for each in files)}, "named elsewhere, too"
    assert not {each for each in files if not any(is_in(file, each) for file in named)}, "not named there"


def is_in(file: str, place: str) -> bool:
    return file == place or (place.endswith("/") and file.startswith(place))
