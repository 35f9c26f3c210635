"""What the APIs have in common on the wire."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field

from pydantic import JsonValue

from fakes.models.script import Call, Edit, Read, Shell, Tool, Write

Json = dict[str, JsonValue]

_SHELLS = ("run_shell_command", "Bash", "bash")
"""What coding agents call their shell; each takes `command`, and some want a `description`."""


@dataclass(frozen=True)
class ApiRefusal:
    """An answer of the API that is no reply of the model."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


def event(payload: Json) -> bytes:
    """One server-sent event, named by its `type` where the API names its events."""
    name = f"event: {payload['type']}\n" if "type" in payload else ""
    return f"{name}data: {json.dumps(payload)}\n\n".encode()


def shell_tool(tools: tuple[str, ...], otherwise: str) -> str:
    """The name of the agent's shell, by the tools that it offers."""
    return next((name for name in _SHELLS if name in tools), otherwise)


def shell_call(call: Call, tools: tuple[str, ...]) -> tuple[str, Json]:
    """The call by the agent's shell, which all agents have, whatever their tools for files."""
    if isinstance(call, Tool):
        return call.name, call.input
    return shell_tool(tools, "shell"), {"command": _command(call), "description": "Run a command"}


def _command(call: Shell | Read | Write | Edit) -> str:
    match call:
        case Shell():
            return call.command
        case Read():
            return f"cat {shlex.quote(call.path)}"
        case Write():
            return f"printf %s {shlex.quote(call.text)} > {shlex.quote(call.path)}"
        case Edit():
            replace = "import sys; p, o, n = sys.argv[1:]; t = open(p).read(); open(p, 'w').write(t.replace(o, n))"
            return shlex.join(("python3", "-c", replace, call.path, call.old, call.new))
