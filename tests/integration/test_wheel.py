"""A wheel holds all that a checkout has, and runs in an empty folder, far from one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from domain.names import TASK_FOLDER
from domain.version import VERSION

ROOT = Path(__file__).parents[2]
READ = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = READ["project"]
ROOMS = tuple(READ["tool"]["importlinter"]["root_packages"])
FILES = ("pyproject.toml", "README.md", "LICENSE", "worker.py", "starter.py")
CALL = """
import sys
sys.path[:0] = {paths!r}
sys.argv = {argv!r}
from {module} import {function}
{function}()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as pip does it, of the files that are here now."""
    folder = tmp_path_factory.mktemp("wheel")
    source, built = folder / "source", folder / "built"
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(built)!r})"
    built.mkdir()
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (made,) = built.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder)
    return folder


def typed(installed: Path, folder: Path, script: str, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A console script of the wheel. Without `site` nothing leads to the checkout."""
    module, _, function = PROJECT["scripts"][script].partition(":")
    paths = [str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    call = CALL.format(paths=paths, argv=[script, *args], module=module, function=function)
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(
        [sys.executable, "-S", "-c", call], cwd=folder, env=env, check=False, capture_output=True, text=True, timeout=90
    )


def test_it_holds_every_file_of_every_room_under_a_name_that_is_free(wheel: Path) -> None:
    assert wheel.name == f"makima_directives-{VERSION}-py3-none-any.whl"
    assert PROJECT["version"] == VERSION
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}
    here = {
        str(file.relative_to(ROOT))
        for room in ROOMS
        for file in (ROOT / room).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert held == here | {"worker.py", "starter.py"}


def test_one_command_is_the_operators_and_inside_a_task_the_agents(installed: Path, tmp_path: Path) -> None:
    assert typed(installed, tmp_path, "makima", "--version").stdout == f"makima {VERSION}\n"
    away = typed(installed, tmp_path, "makima", "list")
    assert (away.returncode, away.stderr.count("\n")) == (3, 1), away
    assert "start one with `makima up`" in away.stderr
    assert "Example: makima up" in typed(installed, tmp_path, "makima", "up", "--help").stdout
    refused = typed(installed, tmp_path, "makima", "directive", "done")
    assert (refused.returncode, "No such command 'directive'" in refused.stderr) == (2, True), refused

    task = {TASK_FOLDER: str(tmp_path)}
    inside = typed(installed, tmp_path, "makima", "--help", **task).stdout
    assert "directive" in inside and "status" not in inside
    assert "No such command 'list'" in typed(installed, tmp_path, "makima", "list", **task).stderr
    assert "names no task" in typed(installed, tmp_path, "makima", "directive", "done", **task).stderr


def test_worker_and_daemon_have_commands_of_their_own(installed: Path, tmp_path: Path) -> None:
    daemon = typed(installed, tmp_path, "makima-daemon", "settings")
    assert (daemon.returncode, "MAKIMA_DAEMON_CONFIG is not set" in daemon.stderr) == (2, True), daemon
    worker = typed(installed, tmp_path, "makima-worker")
    assert (worker.returncode, "no stack is running" in worker.stderr) == (3, True), worker
