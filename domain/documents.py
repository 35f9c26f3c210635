"""The one reader of JSON, YAML and TOML that others wrote: bounded, and every fault is one line with its place.

What is parsed straight into a model (`model_validate_json`) is bounded by pydantic; everything else comes here.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from domain.document_limits import DEEPEST, LARGEST_YAML, TOO_DEEP, finite, integer
from domain.errors import DocumentBroken

Parsed = TypeVar("Parsed")

_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*+"?|//[^\n]*|/\*(?:.*?\*/|.*)', re.DOTALL)
_STRING_OR_LAST_COMMA = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*+"?|,(?=\s*+[}\]])', re.DOTALL)
_VISIBLE = re.compile(r"\S")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAY_HOLD_SURROGATES = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


def read_json(document: str | bytes) -> Any:
    """The value of a JSON document; DocumentBroken where it isn't one, names a key of one object twice, or nests or
    counts beyond all reason.
    """
    text = _text(document).removeprefix("\ufeff")
    found = _guarded(lambda: _DECODER.decode(text))
    return _whole_characters(found) if _MAY_HOLD_SURROGATES.search(text) else found


def read_json_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. DocumentBroken as `read_json`."""
    try:
        value, end = _guarded(lambda: _DECODER.raw_decode(text, start))
    except DocumentBroken as broken:
        at = broken.__cause__
        broken.read = at.pos - start if isinstance(at, json.JSONDecodeError) else len(text) // 30
        raise
    return (_whole_characters(value) if _MAY_HOLD_SURROGATES.search(text, start, end) else value), end


def read_relaxed_json(document: str | bytes) -> Any:
    """JSON with comments and trailing commas, as people and models write it. DocumentBroken as `read_json`."""
    return read_json(without_comments(_text(document)))


def without_comments(text: str) -> str:
    """JSON of the same length, so that lines and columns stay: comments and commas before an end are blanks."""
    blanked = _STRING_OR_COMMENT.sub(_blank_unless_string, text)
    return _STRING_OR_LAST_COMMA.sub(_blank_unless_string, blanked)


def read_yaml(document: str | bytes) -> Any:
    """The value of a document of YAML 1.2: what JSON can hold and nothing else, so no other tags, no keys but texts,
    none of them twice, no anchors (a few lines of which can stand for gigabytes). DocumentBroken.
    """
    from domain.plain_yaml import plain_value  # noqa: PLC0415 - an agent's command would wait for it

    text = _text(document)
    if len(text) > LARGEST_YAML:
        raise DocumentBroken(f"YAML of more than {LARGEST_YAML // 1024} KiB is not read: write it as JSON")
    return _whole_characters(_guarded(lambda: plain_value(text)))


def read_toml(document: str | bytes) -> dict[str, Any]:
    """The tables of a TOML document. DocumentBroken."""
    found: dict[str, Any] = _guarded(lambda: tomllib.loads(_text(document).removeprefix("\ufeff")))
    return found


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
        raise DocumentBroken(TOO_DEEP if isinstance(error, RecursionError) else str(error)) from error
    _check_depth(found)
    return found


def _whole_characters(value: Any) -> Any:
    """The value without halves of surrogate pairs, as a program writes them that has cut an emoji in two: no UTF-8
    holds them, and neither server takes them.
    """
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_whole_characters(each) for each in value]
    if isinstance(value, dict):
        return {_whole_characters(name): _whole_characters(each) for name, each in value.items()}
    return value


def _check_depth(value: object) -> None:
    level, depth = [value], 0
    while level := [inner for each in level for inner in _inside(each)]:
        depth += 1
        if depth > DEEPEST:
            raise DocumentBroken(TOO_DEEP)


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


def _no_number(name: str) -> float:
    raise DocumentBroken(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=integer, parse_float=finite, parse_constant=_no_number)


def _blank_unless_string(found: re.Match[str]) -> str:
    text = found[0]
    return text if text.startswith('"') else _VISIBLE.sub(" ", text)
