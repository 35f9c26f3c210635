"""The demo's planner: a small agent that reads its prompt, looks at the repository and hands over a plan.

It stands where Claude Code or Codex would stand: it knows nothing of Makima but the prompt on its stdin and the
`makima` command on its PATH.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path


def script(*lines: str) -> str:
    return "\n".join(("set -eu", *lines)) + "\n"


def edit(file: str, text: str) -> str:
    """A line of shell that puts `text` into `file`."""
    return f"mkdir -p \"$(dirname {file})\" && cat > {file} <<'EOF'\n{text}EOF"


def append(file: str, text: str) -> str:
    return f"cat >> {file} <<'EOF'\n{text}EOF"


GREETING = '''\
"""Greetings, and who gets them."""


def greet(name: str) -> str:
    return f"Hello, {name}!"
'''
FAREWELL = """

def part(name: str) -> str:
    return f"Goodbye, {name}!"
"""
COMMAND = '''\
"""The command line: `python -m greeter NAME`."""

import sys

from greeter import greet

print(greet(sys.argv[1] if len(sys.argv) > 1 else "world"))
'''
TESTS = '''\
"""Run with `python -m unittest`."""

import unittest

import greeter


class Greetings(unittest.TestCase):
    def test_greets_by_name(self) -> None:
        self.assertEqual(greeter.greet("Ada"), "Hello, Ada!")

    def test_says_goodbye_by_name(self) -> None:
        self.assertEqual(greeter.part("Ada"), "Goodbye, Ada!")
'''
CHANGELOG = "# Changelog\n\n- A package `greeter` that says hello and goodbye, with a command line and tests.\n"
CHECK = "python3 -m unittest discover -p 'test_*.py' -t . -s tests"


def plan() -> list[dict[str, object]]:
    """A diamond (package → command line and farewell → tests) and a step that depends on nothing."""
    return [
        {
            "name": "Greeter package",
            "description": "A package with one greeting",
            "taskPlan": script(edit("greeter/__init__.py", GREETING)),
        },
        {
            "name": "Command line",
            "description": "python -m greeter NAME",
            "dependsOn": ["Greeter package"],
            "taskPlan": script(edit("greeter/__main__.py", COMMAND), "python3 -m greeter Ada"),
        },
        {
            "name": "Farewell",
            "description": "The package says goodbye, too",
            "dependsOn": ["Greeter package"],
            "taskPlan": script(append("greeter/__init__.py", FAREWELL)),
        },
        {
            "name": "Tests",
            "description": "Unit tests of both, which pass",
            "dependsOn": ["Command line", "Farewell"],
            "taskPlan": script("mkdir -p tests && : > tests/__init__.py", edit("tests/test_greeter.py", TESTS), CHECK),
        },
        {
            "name": "Changelog",
            "description": "Say what is new",
            "taskPlan": script(edit("CHANGELOG.md", CHANGELOG)),
        },
    ]


def main() -> int:
    goal = re.search(r"## Goal\n(.*)", sys.stdin.read())
    files = sorted(path.name for path in Path.cwd().iterdir() if path.name != ".git")
    sys.stdout.write(f"asked for: {goal.group(1) if goal else '?'}\nthe repository holds: {', '.join(files)}\n")
    command = ["makima", "directive", "batch-add-steps", "--json", json.dumps(plan())]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
