"""YAML as far as JSON reaches: built from a parser's events, so that no constructor of the library's sees the text.

Those know a dozen tags, raise whatever Python's own functions raise, and make dates, sets and keys of lists, which
nobody behind them expects. Imported where YAML is read and nowhere else: it takes its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.nodes import ScalarNode

from domain.document_limits import DEEPEST, TOO_DEEP, finite, integer
from domain.errors import DocumentBroken

_TAG = "tag:yaml.org,2002:"
_MAP, _SEQ = f"{_TAG}map", f"{_TAG}seq"
_AS_TEXT = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}merge", f"{_TAG}value", "!"})
"""YAML 1.2 knows no dates, and neither does JSON."""
_BASES = {"0b": 2, "0o": 8, "0x": 16}
_FLOATS = {".inf": "inf", ".nan": "nan"}


def plain_value(text: str) -> Any:
    """The value of one document. DocumentBroken where it is no YAML, or more than JSON can hold; ValueError and
    OverflowError for a number or an escape that is none.
    """
    try:
        return _Events(YAML(typ="safe", pure=True), text).document()
    except YAMLError as error:
        raise DocumentBroken(_of_yaml(error)) from error


class _Events:
    """The events of one text, as they are turned into values."""

    def __init__(self, reader: YAML, text: str) -> None:
        self._events = cast("Iterator[Event]", reader.parse(text))
        self._resolver = reader.resolver

    def document(self) -> Any:
        next(self._events)
        if isinstance(next(self._events), StreamEndEvent):
            return None
        found = self._value(next(self._events), 1)
        next(self._events)
        if isinstance(following := next(self._events), DocumentStartEvent):
            raise DocumentBroken(f"{_place(following)}: another document")
        return found

    def _value(self, event: Event, depth: int) -> Any:
        if depth > DEEPEST:
            raise DocumentBroken(TOO_DEEP)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, SequenceStartEvent):
            _check_tag(event, _SEQ)
            return list(self._entries(depth))
        if isinstance(event, MappingStartEvent):
            _check_tag(event, _MAP)
            return self._mapping(depth)
        assert isinstance(event, AliasEvent)
        raise DocumentBroken(f"{_place(event)}: anchors and aliases are not read")

    def _entries(self, depth: int) -> Iterator[Any]:
        while not isinstance(event := next(self._events), SequenceEndEvent):
            yield self._value(event, depth + 1)

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                raise DocumentBroken(f"{_place(event)}: a key is a text, not {str(key)[:100]!r}: put it into quotes")
            if key in found:
                raise DocumentBroken(f"{_place(event)}: {key[:100]!r} stands twice in one mapping")
            found[key] = self._value(next(self._events), depth + 1)
        return found

    def _scalar(self, event: ScalarEvent) -> Any:
        text = str(event.value)
        tag = str(event.tag or self._resolver.resolve(ScalarNode, text, event.implicit))
        match tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int":
                return _int(text)
            case "float":
                sign, digits = _signed(text)
                return finite(sign + _FLOATS.get(digits, digits))
        if tag not in _AS_TEXT:
            raise DocumentBroken(f"{_place(event)}: the tag {tag[:100]!r} is not read")
        return text


def _int(text: str) -> int:
    sign, digits = _signed(text)
    base = _BASES.get(digits[:2], 10)
    found = integer(digits if base == 10 else digits[2:], base)
    return -found if sign == "-" else found


def _signed(number: str) -> tuple[str, str]:
    bare = number.lower().replace("_", "")
    return (bare[:1], bare[1:]) if bare[:1] in ("+", "-") else ("", bare)


def _check_tag(event: SequenceStartEvent | MappingStartEvent, usual: str) -> None:
    if event.tag not in (None, "!", usual):
        raise DocumentBroken(f"{_place(event)}: the tag {str(event.tag)[:100]!r} is not read")


def _place(event: Event) -> str:
    return f"line {event.start_mark.line + 1}"


def _of_yaml(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error)
    where = f"line {mark.line + 1}: " if mark else ""
    return where + " ".join(said.split())[:300]
