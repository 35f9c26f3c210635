"""Shell completion, as a shell asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STARTER = Path(sys.executable).with_name("starter")


def completed(typed: str, tmp_path: Path) -> set[str]:
    """What bash is offered behind `typed`."""
    words = typed.split(" ")
    asked = {"_STARTER_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **asked}
    done = subprocess.run([STARTER], env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.rule("9.3")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("starter wa", {"watch"}),
        ("starter retry", {"retry-step"}),
        ("starter graph 3f2a --format ", {"text", "mermaid", "svg"}),
        ("starter plan 3f2a --d", {"--diff"}),
    ],
)
def test_a_shell_completes_commands_options_and_choices(typed: str, offered: set[str], tmp_path: Path) -> None:
    assert completed(typed, tmp_path) == offered
