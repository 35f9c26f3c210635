"""The real Claude Code and Codex as clients of `starter.py mcp`: a person steers from where they are (docs/mcp.md)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.agents.acp_settings import claude_env
from tests.agents.conftest import MARK, NAMES, codex_config
from tests.fixtures_desk import Desk
from tests.mcp_serving import STARTER, TOKEN, environment, over_http
from tests.model_server import ModelServer, conversation, turn
from tests.workflows.scripted import planned, until

TOOL: dict[str, dict[str, str]] = {
    "claude": {"name": "mcp__makima__{}"},
    "codex": {"namespace": "mcp__makima", "name": "{}"},
}
"""As each calls a tool of its servers to its model."""
WAITS = turn("", {"call": "tool", "name": "WaitForMcpServers", "input": {}})


def calls(name: str, tool: str, **given: str) -> dict[str, Any]:
    named = {key: value.format(tool) for key, value in TOOL[name].items()}
    return turn("", {"call": "tool", **named, "input": given})


@asynccontextmanager
async def server(kind: str, env: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
    """As Claude Code's settings name it."""
    if kind == "stdio":
        yield {"command": sys.executable, "args": [STARTER, "mcp"], "env": env}
        return
    async with over_http(env) as url:
        yield {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {TOKEN}"}}


def command(name: str, program: str, served: dict[str, Any], models: str) -> tuple[list[str], dict[str, str]]:
    """What a person types, with its variables."""
    if name == "claude":
        settings = json.dumps({"mcpServers": {"makima": served}})
        words = ["--mcp-config", settings, "--strict-mcp-config", "--permission-mode", "bypassPermissions"]
        return [program, "-p", *words], {**claude_env(models), "IS_SANDBOX": "1", "DISABLE_AUTOUPDATER": "1"}
    if "url" in served:
        here = f'{{ url = "{served["url"]}", bearer_token_env_var = "MAKIMA_MCP_TOKEN" }}'
    else:
        variables = ", ".join(f"{key} = {json.dumps(value)}" for key, value in served["env"].items())
        # It begins before its servers are there, unless one is required.
        waits = "required = true, startup_timeout_sec = 60"
        starts = f'command = "{served["command"]}", args = {json.dumps(served["args"])}'
        here = f"{{ {starts}, {waits}, env = {{ {variables} }} }}"
    config = {**codex_config(models), "mcp_servers.makima": here}
    words = [part for key, value in config.items() for part in ("-c", f"{key}={value}")]
    argv = [program, "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", *words, "-"]
    return argv, {"OPENAI_API_KEY": "of-no-use", "MAKIMA_MCP_TOKEN": TOKEN}


@pytest.mark.rule("9.6")
@pytest.mark.parametrize("kind", ["stdio", "http"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_plan_is_looked_at_and_approved_from_an_assistant(
    name: str, kind: str, programs: dict[str, str], models: ModelServer, desk: Desk, database: str, tmp_path: Path
) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start("--require-approval")

    async def proposes() -> bool:
        return bool((await desk.json("status", directive))["proposal"])

    await until(proposes)
    plan = (await desk.json("plan", directive))["name"]
    replies = [
        *([WAITS] if name == "claude" else []),
        calls(name, "plan", directive=directive),
        calls(name, "reject", directive=directive),
        calls(name, "approve", directive=directive, plan=plan, request_id="once"),
        turn("It is approved."),
    ]
    models.plays(conversation(MARK, replies))
    async with server(kind, environment(desk, database, tmp_path)) as served:
        argv, env = command(name, programs[name], served, models.url)
        folder = tmp_path / "home"
        folder.mkdir()
        homes = {"HOME": str(folder), "CODEX_HOME": str(folder), "CLAUDE_CONFIG_DIR": str(folder)}
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            env={"PATH": environment(desk, database, folder)["PATH"], **homes, **env},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(300):
            said, _ = await process.communicate(f"{MARK}: approve the plan if it is sound.".encode())
    assert (process.returncode, "It is approved." in said.decode()) == (0, True), said.decode()
    heard = [text for each in models.received if each.conversation == MARK for text in each.asked.results]
    assert any("floor" in text for text in heard), heard
    assert any("comment: Field required" in text for text in heard), heard
    await desk.until(directive, "idle")
