"""Files of the machine that an agent's settings name, and the user's own instructions (docs/sandbox.md)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.agents.acp.acp import AcpAgent
from daemon.agents.base import AgentRun
from daemon.agents.claude.claude import ClaudeAgent
from daemon.agents.codex.codex import CodexAgent
from daemon.agents.command import CommandAgent
from daemon.sandbox.task_folder import TaskFolder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "deploy").write_text("key")
    monkeypatch.setenv("HOME", str(home))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


def shown(*arguments: str) -> set[Path]:
    """By each kind that takes arguments."""
    mine = {*CommandAgent(kind="command", argv=("no-such-program", *arguments)).parts()}
    assert {*ClaudeAgent(kind="claude", program="no-such-program", arguments=arguments).parts()} == mine
    profile: Any = {"command": ("no-such-program", *arguments)}
    assert {*AcpAgent(kind="acp", profile=profile).parts()} == mine
    return mine


def test_a_file_that_an_argument_names_is_shown(home: Path) -> None:
    one, two = home / "settings.json", home / "mcp.json"
    one.write_text("{}")
    two.write_text("no JSON")
    assert shown("--settings", str(one), f"--mcp-config={two}", "relative", "/nowhere") == {one, two}


def test_what_settings_of_mcp_name_is_shown(home: Path) -> None:
    program, data = home / "tools" / "server", home / "data.db"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    data.touch()
    key = home / ".ssh" / "deploy"
    settings = {
        "mcpServers": {"one": {"command": str(program), "args": ["--db", str(data), f"--key={key}", str(home)]}}
    }
    file = home / "mcp.json"
    file.write_text(json.dumps(settings))
    assert {program.parent, data, file} <= shown("--mcp-config", str(file))
    assert {program.parent, data} <= shown("--mcp-config", json.dumps(settings))
    assert not {key, home} & shown("--mcp-config", str(file))


def test_neither_the_home_folder_nor_credentials_are_shown_by_whatever_name(home: Path) -> None:
    names = (".npmrc", ".netrc", "pip.conf", ".cargo/credentials.toml")
    for name in names:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("secret")
    (home / "link.json").symlink_to(".npmrc")
    (home / "folder").symlink_to(home)
    os.link(home / ".netrc", home / "hard.json")
    refused = ["/", str(home), str(home.parent), f"{home}/folder", f"{home}/link.json", f"{home}/hard.json"]
    refused += [f"{home}/.ssh", f"{home}/.ssh/deploy", f"{home}/x/../.npmrc", "/proc/self/environ", "/dev/zero"]
    assert shown(*refused, *(str(home / name) for name in names)) == set()


@pytest.mark.parametrize(
    ("agent", "source", "name"),
    [
        (ClaudeAgent(kind="claude", user_instructions=True), ".claude/CLAUDE.md", "CLAUDE.md"),
        (CodexAgent(kind="codex", user_instructions=True), ".codex/AGENTS.md", "AGENTS.md"),
    ],
)
def test_the_users_own_instructions_are_given_where_the_settings_say_so(
    home: Path, tmp_path: Path, agent: ClaudeAgent | CodexAgent, source: str, name: str
) -> None:
    state = tmp_path / "state"
    run = AgentRun("prompt", TaskFolder(tmp_path / "task"), state=state, login=tmp_path / "login")
    agent.command(run)
    assert not (state / name).exists(), "there are none"
    (home / source).parent.mkdir()
    (home / source).write_text("Be kind.")
    agent.model_copy(update={"user_instructions": False}).command(run)
    assert not (state / name).exists()
    victim = tmp_path / "victim"
    state.mkdir(exist_ok=True)
    (state / name).symlink_to(victim)
    agent.command(run)
    assert (state / name).read_text() == "Be kind." and not victim.exists()
    (state / name).unlink()
    (home / source).unlink()
    (home / source).symlink_to(home / ".ssh" / "deploy")
    agent.command(run)
    assert not (state / name).exists()


def test_an_agent_whose_instructions_nobody_knows_refuses_the_setting() -> None:
    with pytest.raises(ValidationError, match="user_instructions is not known"):
        AcpAgent(kind="acp", profile="gemini", user_instructions=True)
