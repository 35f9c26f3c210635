"""What the fake model says when Claude Code plans and does the demo: the same package as demo/planner.py's."""

from __future__ import annotations

import json
import shlex
from typing import Any

from demo.planner import CHANGELOG, CHECK, COMMAND, FAREWELL, GREETING, TESTS

Turn = dict[str, Any]
"""A reply as docs/models.md describes it."""

_LAST_LINE = GREETING.splitlines()[-1]

_STEPS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("Greeter package", (), "Make a package `greeter` whose function greet(name) says hello to that name."),
    ("Command line", ("Greeter package",), "Make `python -m greeter NAME` print the greeting, and try it."),
    ("Farewell", ("Greeter package",), "Add a function part(name) to the package `greeter` that says goodbye."),
    ("Tests", ("Command line", "Farewell"), f"Test both functions in tests/test_greeter.py. `{CHECK}` has to pass."),
    ("Changelog", (), "Say in CHANGELOG.md what is new."),
)
"""Name, what it depends on, task plan."""


def model_script() -> dict[str, Any]:
    """The script for the directive titled Greeter, to be read by `python -m fakes.models`."""
    turns = {"Plan: Greeter": _planning(), **{f"Greeter: {name}": turns for name, turns in _working().items()}}
    return {"conversations": [{"match": title, "replies": replies} for title, replies in turns.items()]}


def _planning() -> list[Turn]:
    steps = [
        {"name": name, "description": plan, "dependsOn": depends_on, "taskPlan": plan}
        for name, depends_on, plan in _STEPS
    ]
    return [
        _turn("I look at the repository first.", _shell("ls -a && git log --oneline")),
        _turn("", _shell(f"makima directive batch-add-steps --json {shlex.quote(json.dumps(steps))}")),
        _turn("The plan has five steps; the tests come last."),
    ]


def _working() -> dict[str, list[Turn]]:
    """By step; two of them leave the commit to the daemon."""
    edited = {"call": "edit", "path": "greeter/__init__.py", "old": _LAST_LINE, "new": _LAST_LINE + "\n" + FAREWELL}
    return {
        "Greeter package": [
            _turn("", _write("greeter/__init__.py", GREETING)),
            _turn("", _commit("Greet people by name")),
            _turn("The package greets."),
        ],
        "Command line": [
            _turn("", _write("greeter/__main__.py", COMMAND)),
            _turn("", _shell("python3 -m greeter Ada")),
            _turn("The command line greets Ada."),
        ],
        "Farewell": [
            _turn("", {"call": "read", "path": "greeter/__init__.py"}),
            _turn("", {**edited, "new": edited["new"].removesuffix("\n")}),
            _turn("", _commit("Say goodbye, too")),
            _turn("The package says goodbye."),
        ],
        "Tests": [
            _turn("", _write("tests/__init__.py", ""), _write("tests/test_greeter.py", TESTS)),
            _turn("", _shell(CHECK)),
            _turn("", _commit("Test what the package says")),
            _turn("Both tests pass."),
        ],
        "Changelog": [_turn("", _write("CHANGELOG.md", CHANGELOG)), _turn("The changelog names what is new.")],
    }


def _turn(text: str, *calls: Turn) -> Turn:
    return {"reply": "turn", "text": text, "calls": calls}


def _shell(command: str) -> Turn:
    return {"call": "shell", "command": command}


def _write(path: str, text: str) -> Turn:
    return {"call": "write", "path": path, "text": text}


def _commit(subject: str) -> Turn:
    return _shell(f"git add --all && git commit --quiet --message {shlex.quote(subject)}")
