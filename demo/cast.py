"""Who plans and does the demo's steps: two small programs, or Claude Code with a model that follows a script."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo.planner import CHANGELOG, CHECK, COMMAND, FAREWELL, GREETING, TESTS

_TOML = """\
name = "demo"
capacity = 4
serves = {serves}
allow_local_repositories = true
"""
_PLANNER = """
[agents.planner]
kind = "command"
argv = {argv}
"""
_CLAUDE = """
[agents.claude]
kind = "claude"
env = {{ ANTHROPIC_BASE_URL = {url}, ANTHROPIC_API_KEY = "of-no-use-elsewhere" }}
"""
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


class NoAgent(Exception):
    """The coding agent is not installed; the text says how to install it."""


@dataclass(frozen=True)
class Cast:
    """The agents of one demo."""

    planner: str
    agent: str
    settings: str
    """The daemon's TOML file."""


def small_programs() -> Cast:
    """demo/planner.py plans, and each step is a shell script."""
    argv = json.dumps([sys.executable, file_of("demo.planner")])
    return Cast("planner", "shell", _TOML.format(serves='["planner", "shell"]') + _PLANNER.format(argv=argv))


@asynccontextmanager
async def claude_code(folder: Path) -> AsyncIterator[Cast]:
    """Claude Code as it is installed here, and a fake model server for it: no account, no network, no cost.

    Raises NoAgent where it isn't installed.
    """
    if shutil.which("claude") is None:
        raise NoAgent("claude is not on the PATH: `make demo-agent` installs it first")
    script = folder / "model-script.json"
    script.write_text(json.dumps(model_script(), indent=2))
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fakes.models", "--script", str(script)),
        cwd=folder,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        url = (await server.stdout.readline()).decode().strip()
        yield Cast("claude", "claude", _TOML.format(serves='["claude"]') + _CLAUDE.format(url=json.dumps(url)))
    finally:
        if server.returncode is None:
            server.terminate()
            await asyncio.shield(server.wait())


def file_of(module: str) -> str:
    """Where a module of ours lies."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return spec.origin


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
