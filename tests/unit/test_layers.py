"""Which single modules may import what their layer may not; the layers are import-linter's (pyproject.toml)."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("activities", "cli", "daemon", "demo", "domain", "fakes", "ledger", "runtime", "stack", "workflows")


PRIVATE_FILES = ("agent_files.py", "delivery_note.py", "log_sender.py", "parking_file.py")
"""Modules of the daemon that write by `runtime.private_file`."""


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
        ("daemon", "runtime", {"__main__.py", "settings.py", *PRIVATE_FILES}),
        ("domain", "asyncio", set()),
        ("domain", "os", set()),
        ("domain", "subprocess", set()),
        ("domain", "temporalio", set()),
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


def test_domain_reads_no_clock() -> None:
    for file in (ROOT / "domain").rglob("*.py"):
        text = file.read_text()
        assert ".now(" not in text.replace("draft.now", ""), file
        assert "time.time" not in text, file
        assert "uuid4(" not in text, file


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
