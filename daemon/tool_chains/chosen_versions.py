"""Which versions hold where a project names none, as this machine's user has chosen. The file that says so may hold
passwords, too (mise's has variables of the environment): of it versions alone are read.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LARGEST = 65536
"""Bytes."""
_WORD = r"[A-Za-z0-9_.:@/+~<>=^*-]{1,200}"
_LINE = re.compile(rf"{_WORD}(?:[ \t]+{_WORD})*")
_NAME = re.compile(_WORD)
_TOOLS = "tools"


def lay_out_versions(file: Path, target: Path) -> None:
    """Write the versions that `file` names to `target`, in the same format. Nothing where it is not there or not such a
    file. OSError where the target can't be written.
    """
    if text := _versions(file):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _versions(file: Path) -> str:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return ""
        text = file.read_text()
        lines = _of_toml(tomllib.loads(text)) if file.suffix == ".toml" else _of_lines(text)
        return "".join(f"{line}\n" for line in lines)
    except (OSError, ValueError):  # TOML that is none, bytes that are no text
        return ""


def _of_lines(text: str) -> Iterator[str]:
    """A tool and its versions on each, or a version alone."""
    for line in text.splitlines():
        if _LINE.fullmatch(said := line.partition("#")[0].strip()):
            yield said


def _of_toml(document: dict[str, Any]) -> Iterator[str]:
    """Of the table of tools each with its version, or its versions; further words about it are left out."""
    tools = document.get(_TOOLS)
    yield f"[{_TOOLS}]"
    for name, said in tools.items() if isinstance(tools, dict) else ():
        each = said if isinstance(said, list) else [said]
        versions = [one.get("version") if isinstance(one, dict) else one for one in each]
        if versions and all(isinstance(one, str) and _NAME.fullmatch(one) for one in (name, *versions)):
            yield f"{json.dumps(name)} = {json.dumps(versions)}"
