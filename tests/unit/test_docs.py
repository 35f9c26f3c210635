"""What the documentation shows is what the code takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from daemon.settings import DaemonSettings

DOCS = Path(__file__).parents[2]


def test_the_documented_settings_are_a_daemons() -> None:
    text = (DOCS / "docs" / "daemon.md").read_text()
    block = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0]
    settings = DaemonSettings.model_validate(tomllib.loads(block))
    assert set(settings.served()) == {"claude", "shell"}
    shown = set(tomllib.loads(block))
    assert shown == set(DaemonSettings.model_fields), "every setting is shown"


def test_the_readmes_settings_are_a_daemons() -> None:
    block = re.findall(r"```toml\n(.*?)```", (DOCS / "README.md").read_text(), re.DOTALL)[0]
    assert DaemonSettings.model_validate(tomllib.loads(block)).served()
