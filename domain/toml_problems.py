"""What is wrong with a TOML file of somebody's, in one line: where it stands, which key, and what was meant perhaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from domain.documents import read_toml
from domain.errors import DocumentBroken
from domain.problems import closest, first_problem

_TABLE = re.compile(r"""\s*\[{1,2}\s*([\w"'. -]+?)\s*\]{1,2}\s*(#.*)?""")
_KEY = re.compile(r"""\s*([\w"'. -]+?)\s*=""")
MOST_TRIED = 20
"""Lines that look like the key's, or begin a table: each costs reading what stands before it."""


def toml_problem(document: str, error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing that is wrong with what `model` has refused of the document: line, key and reason."""
    problem, place = closest(error)
    names = [part for part in place if isinstance(part, str)]
    line = line_of(document, names)
    reason = first_problem(error).replace("Value error, ", "")
    if problem["type"] == "extra_forbidden":
        reason = f"{' '.join('.'.join(names).split())[:200]}: {unknown_key(names, model)}"
    return f"line {line}: {reason}" if line else reason


def unknown_key(names: list[str], model: type[BaseModel]) -> str:
    """What to write in place of a key that there is none of, in the table of the names before it."""
    *tables, name = names
    known = list(_fields_at(model, tables))
    if near := nearest(name, known):
        return f"there is no such key; {near!r} perhaps"
    if elsewhere := next((where for where, fields in _tables(model) if name in fields), None):
        return f"there is no such key here; it belongs {elsewhere}"
    return f"there is no such key; there are {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was meant perhaps; empty: none is like it."""
    return next(iter(get_close_matches(_plain(name.lower())[:100], list(known), n=1, cutoff=0.6)), "")


def line_of(document: str, names: list[str]) -> int:
    """The line on which a key of a document that is TOML stands, counted from 1; 0: not found."""
    wanted = [_plain(name) for name in names]
    lines, table, tries = document.splitlines(), list[str](), MOST_TRIED
    for number, line in enumerate(lines):
        header, key = _TABLE.fullmatch(line), _KEY.match(line)
        here = _parts(header[1]) if header else [*table, *_parts(key[1])] if key else []
        is_it = here == wanted or (here and "{" in line and here == wanted[: len(here)])
        if (header is None and not is_it) or not tries:
            continue
        tries -= 1
        if not _begins("\n".join(lines[:number])):
            continue
        if is_it:
            return number + 1
        table = here
    return 0


def _begins(before: str) -> bool:
    """Whether a statement can begin after this: not in the middle of a long text or list."""
    try:
        read_toml(before)
    except DocumentBroken:
        return False
    return True


def _parts(dotted: str) -> list[str]:
    return [_plain(part.strip().strip("\"'")) for part in dotted.split(".")]


def _plain(name: str) -> str:
    """`max-attempts` is `max_attempts`."""
    return name.replace("-", "_")


def _fields_at(model: type[BaseModel], tables: list[str]) -> Iterable[str]:
    for table in tables:
        info = model.model_fields.get(table)
        inner = next(_models(info.annotation), None) if info else None
        if inner is None:
            return ()
        model = inner
    return model.model_fields


def _tables(model: type[BaseModel]) -> Iterator[tuple[str, Iterable[str]]]:
    """Where keys may stand: before the first table, and in those."""
    yield "before the first table", model.model_fields
    for name, info in model.model_fields.items():
        for inner in _models(info.annotation):
            yield f"in [{name}]", inner.model_fields


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
