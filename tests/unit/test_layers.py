"""Which single modules may import what their layer may not; the layers are import-linter's (pyproject.toml)."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "activities",
    "cli",
    "daemon",
    "demo",
    "domain",
    "fakes",
    "ledger",
    "runtime",
    "stack",
    "steering",
    "workflows",
)


PRIVATE_FILES = ("agent_files.py", "day_budgets.py", "delivery_note.py", "log_sender.py", "parking_file.py")
"""Modules of the daemon that write by `runtime.private_file`."""
BESIDE = ("conversation.py", "live_usage.py", "log_sender.py", "reporting.py", "saver.py", "task_log.py")
"""Those of which something goes on beside other work, by `runtime.chores`."""


@cache
def imports_of(file: Path) -> set[str]:
    """The top-level packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("package", "imported", "only"),
    [
        ("daemon", "activities", {"__main__.py", "temporal_core.py"}),
        ("daemon", "temporalio", {"__main__.py", "slots.py", "temporal_core.py"}),
        ("daemon", "runtime", {"__main__.py", "settings.py", *PRIVATE_FILES, *BESIDE}),
        ("domain", "asyncio", set()),
        ("domain", "os", set()),
        ("domain", "subprocess", set()),
        ("domain", "temporalio", set()),
        ("steering", "ledger", {"connect.py"}),
        ("steering", "runtime", {"connect.py"}),
        ("cli", "runtime", {"__main__.py", "printing.py", "folder.py"}),
    ],
)
def test_only_these_modules_import(package: str, imported: str, only: set[str]) -> None:
    importers = {file.name for file in (ROOT / package).rglob("*.py") if imported in imports_of(file)}
    assert importers <= only


def test_nobody_imports_a_composition_root() -> None:
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            assert not imports_of(file) & {"worker", "starter"}, file


NEVER_THE_SAME = {"os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time"}
"""Modules that answer otherwise when a history is replayed."""
FRESH = {"now", "today", "utcnow", "uuid1", "uuid4"}
"""Functions that do; `workflow.now()` and `workflow.uuid4()` are of the history."""
OUTSIDE_OF_WORKFLOWS = {"directive_secret.py", "search_attributes.py"}
"""Whom only clients and the worker's own start call."""


def fresh_calls(file: Path) -> set[str]:
    """What a file calls of FRESH."""
    calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    named = {call.id for call in calls if isinstance(call, ast.Name)}
    of_others = (call for call in calls if isinstance(call, ast.Attribute) and ast.unparse(call.value) != "workflow")
    return (named | {call.attr for call in of_others}) & FRESH


def test_what_is_replayed_reads_no_clock_and_no_chance() -> None:
    """The worker runs workflows without the SDK's sandbox (docs/decisions/0032-no-sandbox-of-the-sdk.md)."""
    replayed = [*(ROOT / "domain").rglob("*.py"), *(ROOT / "workflows").rglob("*.py")]
    assert len(replayed) > 50
    for file in replayed:
        if file.name not in OUTSIDE_OF_WORKFLOWS:
            assert not imports_of(file) & NEVER_THE_SAME, file
            assert not fresh_calls(file), file


def test_a_clock_is_found(tmp_path: Path) -> None:
    file = tmp_path / "rule.py"
    file.write_text("at = datetime.now(UTC)\nfine = workflow.now()\nidentity = uuid4()\n")
    assert fresh_calls(file) == {"now", "uuid4"}


def test_every_package_is_importable_from_another_folder(tmp_path: Path) -> None:
    inner = ["cli.agent.__main__", "cli.operator.app", "daemon.agents", "fakes.forge.__main__", "ledger.migrations"]
    names = [*PACKAGES, "worker", "starter", *inner]
    script = f"import importlib; [importlib.import_module(name) for name in {names!r}]"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert importlib.util.find_spec("makima") is None  # nothing of ours lives under a name that others could take


def test_a_program_begins_once_all_of_it_is_there() -> None:
    """What is defined behind its last line is found by whoever imports it, and not by who runs it."""
    for file in (each for package in PACKAGES for each in (ROOT / package).rglob("*.py")):
        begins = [line for line in file.read_text().splitlines() if line and not line.startswith((" ", "#"))]
        if 'if __name__ == "__main__":' in begins:
            assert begins[-1] == 'if __name__ == "__main__":', file


DIALECTS = ("daemon.forges.github.", "daemon.forges.gitlab.", "daemon.forges.gitea.")
"""The same thing in the words of one forge each."""


def defined_classes(node: ast.AST) -> Iterator[ast.ClassDef]:
    return (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.ClassDef) and each.name[0] != "_")


def is_port(made: ast.ClassDef) -> bool:
    """A Protocol has the name of what implements it elsewhere."""
    return any(ast.unparse(base).split("[")[0] == "Protocol" for base in made.bases)


def test_no_two_classes_of_one_name_mean_different_things() -> None:
    places: defaultdict[str, set[str]] = defaultdict(set)
    for package in sorted({*PACKAGES} - {"fakes"}):
        for file in (ROOT / package).rglob("*.py"):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for made in defined_classes(ast.parse(file.read_text())):
                if not is_port(made):
                    places[made.name].add("a forge's adapter" if module.startswith(DIALECTS) else module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
