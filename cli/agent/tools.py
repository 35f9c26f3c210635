"""The commands of `makima directive` as tools: their options and arguments make the schema, and they do the work."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import typer

from domain.errors import MakimaError

_TYPES: dict[object, dict[str, Any]] = {
    bool: {"type": "boolean"},
    float: {"type": "number"},
    int: {"type": "integer"},
    list[str]: {"type": "array", "items": {"type": "string"}},
}
_TEXT = {"type": "string"}
_STDIN = "content"
_READ_STDIN = ("artifact-put",)
"""What they take on stdin is an argument of the tool."""
_FIXED = {"ask": ("--wait-seconds=40",)}
"""The clients of the usual library give up after 60 s."""


@dataclass(frozen=True)
class _Parameter:
    name: str
    """As the tool calls it."""
    option: str
    """Empty: an argument, which is told apart by its place."""
    schema: dict[str, Any]
    is_required: bool

    def words(self, value: object) -> list[str]:
        """It as words of a command line."""
        if isinstance(value, bool):
            return [self.option] if value else []
        if self.schema.get("type") == "array" and isinstance(value, list):
            return [_text(each) for each in value]
        return [f"{self.option}={_text(value)}" if self.option else _text(value)]


class CommandTools:
    """The commands of one group that its help shows."""

    def __init__(self, group: typer.Typer, run: Callable[[typer.Typer, Sequence[str]], int]) -> None:
        """`run` does what a command line says, and gives its exit code; MakimaError."""
        self._group = group
        self._run_words = run
        made: Any = typer.main.get_command(group)
        self._commands: dict[str, Any] = {
            name.replace("-", "_"): command for name, command in made.commands.items() if not command.hidden
        }

    def listed(self) -> list[dict[str, Any]]:
        """Each as `tools/list` tells it: name, description, inputSchema."""
        return [self._told(name) for name in self._commands]

    def call(self, name: str, arguments: Mapping[str, object]) -> tuple[str, bool] | None:
        """What the command has printed, and whether it went well; None for a tool that isn't there."""
        command = self._commands.get(name)
        if command is None:
            return None
        parameters = _parameters(command)
        if unknown := [each for each in arguments if each not in {known.name for known in parameters}]:
            known = ", ".join(each.name for each in parameters) or "nothing"
            return f"{name} takes no {unknown[0][:100]!r}, only: {known}", False
        given = [each for each in parameters if arguments.get(each.name) is not None]
        options = [word for each in given if each.option for word in each.words(arguments[each.name])]
        places = [each for each in given if not each.option and each.name != _STDIN]
        rest = [word for each in places for word in each.words(arguments[each.name])]
        words = [command.name, *_FIXED.get(command.name, ()), *options, "--", *rest]
        return self._run(words, _text(arguments.get(_STDIN) or "").encode(errors="replace"))

    def _run(self, words: Sequence[str], stdin: bytes) -> tuple[str, bool]:
        with _captured(stdin) as printed:
            try:
                went_well = self._run_words(self._group, words) == 0
            except (MakimaError, OSError) as error:
                printed.write(" ".join(str(error).split()))
                went_well = False
        return printed.getvalue().strip(), went_well

    def _told(self, name: str) -> dict[str, Any]:
        parameters = _parameters(self._commands[name])
        schema = {
            "type": "object",
            "properties": {each.name: each.schema for each in parameters},
            "required": [each.name for each in parameters if each.is_required],
            "additionalProperties": False,
        }
        return {"name": name, "description": self._commands[name].help, "inputSchema": schema}


def _parameters(command: Any) -> list[_Parameter]:
    found = [_parameter(each) for each in command.params if not each.hidden and each.name != "help"]
    if command.name in _READ_STDIN:
        found.append(_Parameter(_STDIN, "", {**_TEXT, "description": "The file's text."}, is_required=True))
    return found


def _parameter(known: Any) -> _Parameter:
    word = known.opts[0]
    schema = _TYPES.get(known.type_descriptor.annotation, _TEXT)
    described = {**schema, "description": known.help} if known.help else dict(schema)
    option = word if word.startswith("-") else ""
    return _Parameter(word.lstrip("-").replace("-", "_"), option, described, is_required=bool(known.required))


def _text(value: object) -> str:
    """As it is typed: a list of names with commas, everything else that is no text as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return json.dumps(value)


@contextmanager
def _captured(stdin: bytes) -> Iterator[io.StringIO]:
    """While a command runs: the process's own stdin and stdout are the protocol's."""
    printed, before = io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield printed
    finally:
        sys.stdin = before
