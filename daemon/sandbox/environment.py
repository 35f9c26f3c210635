"""What an agent sees of its machine's environment (rule 6.6): an allow-list, and no credential of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from daemon.process.keeper import MARK
from daemon.process.program import AgentCommand
from daemon.sandbox.certificates import CERTIFICATES
from daemon.sandbox.task_folder import TaskFolder

RESERVED = ("MAKIMA_", "TEMPORAL_")
"""Makima's own settings begin so: no agent sees one (rule 6.6)."""

_PASSED = CERTIFICATES | {"LANG", "LANGUAGE", "LOGNAME", "NO_PROXY", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"}
_PROXIES = frozenset({"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"})


@dataclass(frozen=True)
class GitIdentity:
    """Author and committer of the commits of a task: its agent's, and those that the daemon makes for it."""

    name: str = "Makima"
    email: str = "makima@localhost"

    @property
    def environment(self) -> dict[str, str]:
        author = {"GIT_AUTHOR_NAME": self.name, "GIT_AUTHOR_EMAIL": self.email}
        return author | {"GIT_COMMITTER_NAME": self.name, "GIT_COMMITTER_EMAIL": self.email}


def agent_environment(
    own: Mapping[str, str],
    *,
    folder: TaskFolder,
    task_id: str,
    command: AgentCommand,
    identity: GitIdentity,
    tools: Mapping[str, str] = MappingProxyType({}),
    tool_path: Sequence[str] = (),
) -> dict[str, str]:
    """The whole environment of `command`, made from the daemon's `own`; pure.

    The agent's settings may add variables (`command.env`) and let the machine's through (`command.pass_env`); what
    binds the process to its task and keeps git quiet stands above them. `tools` are the variables of the machine's tool
    chains, `tool_path` their folders with programs.
    """
    named = {name: own[name] for name in command.pass_env if name in own}
    chosen = _passed(own) | dict(tools) | named | dict(command.env)
    chosen = {name: value for name, value in chosen.items() if not name.startswith(RESERVED)}
    path = _with_tools(chosen.get("PATH") or os.defpath, tool_path, is_chosen="PATH" in command.env)
    return chosen | {
        "HOME": str(folder.home),
        "PATH": f"{folder.bin}{os.pathsep}{path}",
        MARK: str(folder.path),
        "MAKIMA_TASK_ID": task_id,
        **identity.environment,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        # Nobody sits at an editor: a merge or rebase that goes on takes git's own message.
        "GIT_EDITOR": "true",
    }


def _with_tools(path: str, tool_path: Sequence[str], *, is_chosen: bool) -> str:
    """As in their user's shell tool chains come before the system's programs; not before what the settings choose."""
    known = path.split(os.pathsep)
    further = [folder for folder in tool_path if folder not in known]
    return os.pathsep.join((*known, *further) if is_chosen else (*further, *known))


def _passed(own: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in own.items() if _may_pass(name.upper(), value)}


def _may_pass(name: str, value: str) -> bool:
    if name in _PROXIES:
        # user:password@host is a credential; an agent that needs it names the variable in `pass_env`.
        return "@" not in value
    return name in _PASSED or name.startswith("LC_")
