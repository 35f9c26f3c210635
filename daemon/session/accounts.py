"""Whose account an agent uses, and what a person does about it."""

from __future__ import annotations

from pathlib import Path

from daemon.agents import ConfiguredAgent
from daemon.agents.coding import CodingAgent
from daemon.agents.command import CommandAgent
from daemon.session.parking import Account
from daemon.session.session_folder import login_folder


def account_of(agent: ConfiguredAgent) -> Account | None:
    """The account that an agent uses; None for scripts, which have none."""
    return (agent.kind, agent.credential) if isinstance(agent, CodingAgent | CommandAgent) else None


def remedy_of(agent: ConfiguredAgent, tasks: Path) -> str:
    """What a person does about a login that is refused, on the machine whose tasks lie in this folder."""
    if isinstance(agent, CodingAgent):
        return agent.remedy(login_folder(tasks, agent.kind, agent.login))
    return "How it logs in is its program's own matter: repair that on the daemon's machine."
