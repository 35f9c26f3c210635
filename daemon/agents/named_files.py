"""Files of this machine that an agent's settings name: a sandbox shows them, unless they may hold credentials."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from daemon.sandbox.sandbox_view import folders_of, program_at
from daemon.tool_chains.credentials import holds_credentials
from daemon.tool_chains.places import MachinePlaces
from domain.documents import read_relaxed_json
from domain.errors import DocumentBroken
from domain.tolerant import Tolerant

LARGEST = 1024 * 1024
"""Bytes of a file that is read for what it names."""
_KERNELS = ("/dev", "/proc", "/run", "/sys")
"""The daemon's own environment is a file there."""


class _Server(Tolerant):
    command: str = ""
    args: tuple[str, ...] = ()


class _McpSettings(Tolerant):
    """As all agents write them: `--mcp-config` of Claude Code, `settings.json` of others."""

    servers: dict[str, _Server] = Field(default_factory=dict, alias="mcpServers")


def named_files(arguments: Iterable[str]) -> Iterator[Path]:
    """What arguments name by a whole path (`--settings /x.json`, `--settings=/x.json`), and of settings of MCP among
    them (also those that are written out) the programs and paths of its servers. The home folder and what lies above
    it, and files with credentials, are left out: whoever wants to give them away writes `sandbox_read`.
    """
    for argument in arguments:
        text = argument if argument.startswith(("/", "{")) else argument.partition("=")[2]
        if text.startswith("{"):
            yield from _of_servers(text)
        elif (path := _shown(text)) is not None:
            yield path
            if path.is_file() and path.stat().st_size <= LARGEST:
                yield from _of_servers(path.read_bytes())


def _of_servers(document: str | bytes) -> Iterator[Path]:
    try:
        settings = _McpSettings.model_validate(read_relaxed_json(document))
    except (DocumentBroken, ValidationError):
        return  # no settings of MCP
    for server in settings.servers.values():
        if program := program_at(server.command):
            yield from folders_of(program)
        yield from (path for word in server.args if (path := _shown(word.partition("=")[2] or word)) is not None)


def _shown(text: str) -> Path | None:
    path = Path(os.path.normpath(text)) if text.startswith("/") and "\0" not in text else None
    if path is None or not path.exists():
        return None
    places, real = MachinePlaces(os.environ), path.resolve()
    status = real.stat()
    if holds_credentials(path) or holds_credentials(real) or (status.st_dev, status.st_ino) in places.credentials:
        return None
    if any(real.is_relative_to(each) for each in _KERNELS):
        return None
    return path if real.is_file() or (real.is_dir() and not places.is_too_wide(real)) else None
