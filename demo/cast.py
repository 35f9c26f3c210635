"""Who plans and does the demo's steps: two small programs, or Claude Code with a model that follows a script."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from demo.model_script import model_script

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
