"""Doctor's look at the network of the sandbox: the door from inside, each agent's model, and Node's version."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.agents import ConfiguredAgent
from daemon.agents.network_settings import NetworkSettings
from daemon.network.door_policy import Policy
from daemon.network.rules import parse_rule
from daemon.process.run import run
from daemon.sandbox.door_process import opened
from daemon.sandbox.doorway import Doorway
from daemon.sandbox.sandbox import Sandbox, SandboxPlaces
from daemon.sandbox.task_folder import make_task_folder
from domain.errors import ProcessTimedOut
from domain.health_report import Check, failed, good, warning

LOCAL = "loopback and private addresses are refused (network_local opens them)"
NODE_NEEDED = "Node 22.21, 24.0 or newer reads it"
TRY_WITHIN = 45.0
"""Seconds for a connection through the door: longer than the door itself tries."""
_VERSION = re.compile(r"v(\d+)\.(\d+)\.")


@dataclass(frozen=True)
class Trial:
    """What doctor tries a door with."""

    sandbox: Sandbox
    folder: Path
    """For what is made, and removed."""
    environ: Mapping[str, str]
    """The daemon's."""

    async def door(self) -> Check:
        """Whether the door is reached from inside, and refuses what it has to."""
        told = await self._asks(Policy(), "127.0.0.1", 1)
        if "refused by the sandbox" in told:
            return good("door", f"it answers from inside the sandbox; {LOCAL}")
        remedy = "the daemon's log and docs/sandbox.md say more; until then agents have no network"
        return failed("door", f"it does not answer from inside the sandbox: {told or 'no word'}", remedy)

    async def models(self, name: str, agent: ConfiguredAgent, network: NetworkSettings) -> list[Check]:
        """Whether the servers of the agent's model are reached from inside; nothing is asked of them."""
        policy = network.policy(agent, self.environ)
        local = () if agent.network_local is None else agent.network_local
        own = {*network.network_local, *local}
        return [
            await self._model(name, policy, rule)
            for rule in (*policy.models[:1], *(each for each in policy.network_local if each not in own))
        ]

    async def _model(self, name: str, policy: Policy, text: str) -> Check:
        about, rule = f"agent {name}: model", parse_rule(text)
        host = rule.name or str(rule.addresses and rule.addresses.network_address)
        if not (told := await self._asks(policy, host, rule.port or 443)):
            return good(about, f"{text} is reached through the door")
        return warning(about, f"{text} is not reached through the door: {told}", "its tasks wait until it is")

    async def _asks(self, policy: Policy, host: str, port: int) -> str:
        """What the door answers to whom it doesn't connect; empty: it connects."""
        with TemporaryDirectory(dir=self.folder) as made:
            doorway, task = Doorway.beside(Path(made), policy), make_task_folder(Path(made, "task"))
            places = SandboxPlaces(task.path, task, task.home, door=doorway)
            argv = self.sandbox.wrap(doorway.asking(host, port), cwd=task.path, places=places)
            told: list[str] = []
            async with opened(doorway, told.append, self.environ):
                try:
                    env = {"PATH": self.environ.get("PATH", "")}
                    ended = await run(argv, cwd=task.path, env=env, timeout=TRY_WITHIN)
                except ProcessTimedOut as error:
                    return str(error)
        if ended.exit_code == 0:
            return ""
        return (ended.stderr.strip().splitlines() or told or ["no word"])[-1].removeprefix("[makima] ")


def node_check(version: str) -> Check | None:
    """`version` is what `node --version` prints; None: there is nothing to say, as where there is no Node."""
    found = _VERSION.match(version)
    if found is None:
        return None
    major, minor = map(int, found.groups())
    if major >= 24 or (major == 22 and minor >= 21):
        return good("node", f"{version}: its fetch() finds the door (NODE_USE_ENV_PROXY)")
    why = f"{version}: its fetch() does not read NODE_USE_ENV_PROXY, and has no network in the sandbox"
    return warning("node", why, NODE_NEEDED)


def nodes_on(paths: list[str | None]) -> list[str]:
    """The programs `node` of these PATHs, each once."""
    return list(dict.fromkeys(found for path in paths if (found := shutil.which("node", path=path))))
