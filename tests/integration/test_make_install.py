"""`make install` installs what was asked: its stamp knows which sets are there, and for which interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEFAULT = "base stack mcp notices tracing dev"
UV = """#!/bin/sh
echo "$*" >>"$LOG"
[ "$1" = venv ] || exit 0
for each; do [ "$before" = --python ] && python=$each; before=$each; done
exec "$python" -m venv --without-pip .venv
"""
"""Tells what it was asked for, and makes an environment without packages."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir()
    program.write_text(UV)
    program.chmod(0o755)
    return tmp_path


def make(checkout: Path, *arguments: str) -> list[str]:
    """What uv was asked for."""
    log = checkout / "log"
    log.unlink(missing_ok=True)
    path = f"{checkout / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"PATH": path, "LOG": str(log)}
    subprocess.run(["make", "-s", *arguments], cwd=checkout, env=env, check=True, timeout=120)
    return log.read_text().splitlines() if log.exists() else []


def there(checkout: Path) -> str:
    return (checkout / ".venv" / ".installed").read_text().strip()


def test_other_sets_are_installed_anew_and_the_same_ones_once(checkout: Path) -> None:
    assert make(checkout, "install", "SETS=stack mcp") and there(checkout) == "base stack mcp"
    assert make(checkout, "install", "SETS=mcp stack") == []
    left = checkout / ".venv" / "of_the_smaller_one"
    left.touch()
    installed = make(checkout, "install")
    assert "locks/dev.txt" in installed[1] and there(checkout) == DEFAULT
    assert make(checkout, "install") == [] and not left.exists()
    assert "locks/dev.txt" not in make(checkout, "install", "SETS=stack")[1]
    assert there(checkout) == "base stack"


def test_another_interpreter_is_installed_for_where_one_is_named(checkout: Path) -> None:
    base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    other = checkout / "other" / "bin" / base.name
    other.parent.mkdir(parents=True)
    shutil.copy(base, other)
    (checkout / "other" / "lib").symlink_to(base.parent.parent / "lib")
    mine, others = f"PYTHON={base}", f"PYTHON={other}"
    make(checkout, "install", mine)
    assert make(checkout, "install", mine) == []
    assert f"--python {other}" in make(checkout, "install", others)[0]
    assert make(checkout, "install", others) == []
    assert make(checkout, "install") == [], "nobody has named one"
    assert make(checkout, "install", "PYTHON=.venv/bin/python") == []
    assert f"--python {base}" in make(checkout, "install", mine)[0]


def test_the_demo_is_content_with_what_is_there_and_the_tests_are_not(checkout: Path) -> None:
    make(checkout, "install", "SETS=stack")
    (checkout / "demo").mkdir()
    (checkout / "demo" / "__main__.py").touch()
    assert make(checkout, "demo") == [] and there(checkout) == "base stack"
    make(checkout, "install", "SETS=mcp")
    make(checkout, "demo")
    assert there(checkout) == DEFAULT


def test_what_was_interrupted_is_done_again_and_an_empty_stamp_is_of_all_sets(checkout: Path) -> None:
    make(checkout, "install")
    stamp = checkout / ".venv" / ".installed"
    stamp.write_text("")
    assert make(checkout, "install") == []
    (checkout / "bin" / "uv").write_text(UV.replace("exit 0", "exit 1"))
    with pytest.raises(subprocess.CalledProcessError):
        make(checkout, "install", "SETS=stack")
    assert not stamp.exists()
