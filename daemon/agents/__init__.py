"""The registry of agents: `[agents.NAME]` of the daemon's settings is read as one of these, by its `kind`."""

from typing import Annotated

from pydantic import Field

from daemon.agents.acp.acp import AcpAgent
from daemon.agents.claude.claude import ClaudeAgent
from daemon.agents.codex.codex import CodexAgent
from daemon.agents.command import CommandAgent
from daemon.agents.shell import ShellAgent

ConfiguredAgent = Annotated[
    AcpAgent | ClaudeAgent | CodexAgent | CommandAgent | ShellAgent,
    Field(discriminator="kind"),
]
