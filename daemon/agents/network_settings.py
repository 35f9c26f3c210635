"""The policy of an agent's door: what the settings say of it, and its model's server, which is always allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from daemon.agents.base import Program
from daemon.network.door_policy import Policy
from daemon.network.rules import LocalRules, Reach, parse_rule, rule_for

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class NetworkSettings:
    """The daemon's, for agents that have none of their own."""

    network: Reach = "internet"
    network_local: LocalRules = ()

    def policy(self, agent: Program | None, environ: Mapping[str, str]) -> Policy:
        """Of a task that `agent` works on (None: it has no agent); `environ` is the daemon's."""
        if agent is None:
            return Policy(network=self.network, network_local=self.network_local)
        local = self.network_local if agent.network_local is None else agent.network_local
        models = filter(None, map(rule_of_url, agent.model_urls(environ)))
        return Policy(
            network=self.network if agent.network is None else agent.network,
            network_local=(*local, *models),
            models=agent.model_hosts(environ),
        )


def rule_of_url(url: str) -> str:
    """The rule for a server's address, or for its host and port alone; empty where it is neither."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        rule = rule_for(parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0))
        parse_rule(rule)
    except ValueError:
        return ""
    return rule
