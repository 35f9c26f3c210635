"""The one reader of JSON, YAML and TOML that others wrote: bounded, and every fault is one line with its place.

What is parsed straight into a model (`model_validate_json`) is bounded by pydantic; everything else comes here.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from domain.errors import DocumentBroken

DEEPEST = 100
"""Levels of lists and mappings in each other; whoever reads them afterwards may recurse."""
LONGEST_NUMBER = 300
"""Digits; Python itself refuses 4,300, a float holds 308."""

Parsed = TypeVar("Parsed")

_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*+"?|//[^\n]*|/\*(?:.*?\*/|.*)', re.DOTALL)
_STRING_OR_LAST_COMMA = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*+"?|,(?=\s*+[}\]])', re.DOTALL)
_VISIBLE = re.compile(r"\S")


def read_json(document: str | bytes) -> Any:
    """The value of a JSON document; DocumentBroken where it isn't one, names a key of one object twice, or nests or
    counts beyond all reason.
    """
    return _guarded(lambda: _DECODER.decode(_text(document).removeprefix("\ufeff")))


def read_json_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. DocumentBroken as `read_json`."""
    try:
        found: tuple[Any, int] = _guarded(lambda: _DECODER.raw_decode(text, start))
    except DocumentBroken as broken:
        at = broken.__cause__
        broken.read = at.pos - start if isinstance(at, json.JSONDecodeError) else len(text) // 30
        raise
    return found


def read_relaxed_json(document: str | bytes) -> Any:
    """JSON with comments and trailing commas, as people and models write it. DocumentBroken as `read_json`."""
    return read_json(without_comments(_text(document)))


def without_comments(text: str) -> str:
    """JSON of the same length, so that lines and columns stay: comments and commas before an end are blanks."""
    blanked = _STRING_OR_COMMENT.sub(_blank_unless_string, text)
    return _STRING_OR_LAST_COMMA.sub(_blank_unless_string, blanked)


def read_yaml(document: str | bytes) -> Any:
    """The value of a document of YAML 1.2: plain data alone, no key twice, no anchors (a few lines of which can stand
    for gigabytes). DocumentBroken.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - an agent's command would wait for it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415
    from ruamel.yaml.events import AliasEvent  # noqa: PLC0415

    text = _text(document)
    reader = YAML(typ="safe", pure=True)
    try:
        depth = 0
        for event in reader.parse(text):
            depth += type(event).__name__.endswith("StartEvent") - type(event).__name__.endswith("EndEvent")
            if isinstance(event, AliasEvent):
                raise DocumentBroken(f"line {event.start_mark.line + 1}: anchors and aliases are not read")
            if depth > DEEPEST:
                raise DocumentBroken(_TOO_DEEP)
        return _guarded(lambda: YAML(typ="safe", pure=True).load(text))
    except YAMLError as error:
        raise DocumentBroken(_of_yaml(error)) from error
    except RecursionError as error:
        raise DocumentBroken(_TOO_DEEP) from error


def read_toml(document: str | bytes) -> dict[str, Any]:
    """The tables of a TOML document. DocumentBroken."""
    found: dict[str, Any] = _guarded(lambda: tomllib.loads(_text(document).removeprefix("\ufeff")))
    return found


_TOO_DEEP = f"more than {DEEPEST} levels of lists and objects in each other"


def _text(document: str | bytes) -> str:
    if isinstance(document, str):
        return document
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise DocumentBroken(f"not UTF-8 text (byte {error.start})") from error


def _guarded(read: Callable[[], Parsed]) -> Parsed:
    try:
        found = read()
    except DocumentBroken:
        raise
    except json.JSONDecodeError as error:
        raise DocumentBroken(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except ValueError as error:  # of TOML, and what int() and dates refuse
        raise DocumentBroken(" ".join(str(error).split())[:300]) from error
    except (RecursionError, OverflowError) as error:
        raise DocumentBroken(_TOO_DEEP if isinstance(error, RecursionError) else str(error)) from error
    _check_depth(found)
    return found


def _check_depth(value: object) -> None:
    level, depth = [value], 0
    while level := [inner for each in level for inner in _inside(each)]:
        depth += 1
        if depth > DEEPEST:
            raise DocumentBroken(_TOO_DEEP)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise DocumentBroken(f"{name[:100]!r} stands twice in one object")
        found[name] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise DocumentBroken(f"a number of {len(digits)} digits")
    return int(digits)


def _no_number(name: str) -> float:
    raise DocumentBroken(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_integer, parse_constant=_no_number)


def _blank_unless_string(found: re.Match[str]) -> str:
    text = found[0]
    return text if text.startswith('"') else _VISIBLE.sub(" ", text)


def _of_yaml(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error)
    where = f"line {mark.line + 1}: " if mark else ""
    return where + " ".join(said.split())[:300]
