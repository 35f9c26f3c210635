"""The looking of `python -m daemon doctor`: at the agents, the machine, the servers and a repository."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.agents import ConfiguredAgent
from daemon.agents.coding import CodingAgent
from daemon.agents.command import CommandAgent
from daemon.doctor.checks import (
    KNOWN,
    AgentSeen,
    Wanted,
    agent_checks,
    disk_check,
    git_check,
    identity_check,
    parked_check,
    path_check,
    price_check,
    sandbox_check,
    set_aside_check,
    signing_check,
)
from daemon.doctor.network import Trial, node_check, nodes_on
from daemon.doctor.repository_checks import repository_checks
from daemon.doctor.tool_chains import certificate_checks, tool_chain_checks
from daemon.home import Home, open_home, signer_of
from daemon.process.run import Finished, run
from daemon.sandbox.certificates import find_certificates
from daemon.sandbox.sandbox import Bubblewrap
from daemon.saving.set_aside import all_set_aside
from daemon.session.session_folder import login_folder
from daemon.settings import DaemonSettings
from domain.errors import CannotServe, MakimaError, ProcessTimedOut, SettingsError
from domain.health_report import Check, Health, all_of, failed, good

PROGRAM_TIMEOUT = 30.0
"""Seconds for a program that tells its version or whether it is logged in."""
MEGABYTE = 1024 * 1024


class Examination:
    """One look at everything that the daemon of these settings needs."""

    def __init__(
        self,
        own: DaemonSettings,
        data_dir: Path,
        environ: Mapping[str, str],
        temporal: Callable[[], Awaitable[object]],
    ) -> None:
        """`temporal` connects, or raises what says why it can't."""
        self._own = own
        self._data_dir = data_dir
        self._environ = environ
        self._temporal = temporal

    async def examine(self, wanted: Wanted, *, daemon_runs: bool | None = None) -> Health:
        """All checks, in the order in which a missing one stops work.

        `daemon_runs`: whether the PATH is that of the daemon that runs, or the caller's, since none does.
        """
        checks = [await self._git(), identity_check(self._own.committer_name, self._own.committer_email)]
        checks += await signing_check(partial(signer_of, self._own, self._environ))
        if daemon_runs is not None:
            checks.append(path_check(self._environ.get("PATH", ""), daemon_runs=daemon_runs))
        for name, agent in self._own.served().items():
            checks += await self._agent(name, agent)
            if isinstance(agent, CodingAgent) and agent.has_no_price:
                checks.append(price_check(name, agent.model))
        try:
            home = await open_home(self._data_dir, self._own, is_daemon=False)
        except SettingsError as error:
            return all_of([*checks, failed("sandbox", str(error)), await self._reach_temporal()])
        checks += [parked_check(each) for each in home.house.parking.now_parked()]
        checks += [set_aside_check(str(folder), reason) for folder, reason in all_set_aside(home.tasks).items()]
        checks += [sandbox_check(home.sandbox), *await self._network(home)]
        checks += await self._tool_chains(home)
        checks += [self._disk(home), await self._reach_temporal()]
        if wanted.repository:
            who = (self._own.committer_name, self._own.committer_email)
            checks += await repository_checks(home, wanted, who)
        return all_of(checks)

    async def _git(self) -> Check:
        return git_check(_output(await self._ran(("git", "--version"), self._environ)))

    async def _agent(self, name: str, agent: ConfiguredAgent) -> list[Check]:
        try:
            agent.check()
        except CannotServe as error:
            return agent_checks(AgentSeen(name, "", trouble=str(error)))
        program = program_of(agent)
        kind = Path(program).name
        known = agent.tested_program if isinstance(agent, CodingAgent) else KNOWN.get(kind)
        if known is None:
            return agent_checks(AgentSeen(name, kind))
        is_asked = bool(known.asks_login)
        env, login = self._environment_of(agent), self._login_of(agent)
        version = await self._ran((program, "--version"), env)
        has_key = any(env.get(key) for key in known.keys)
        asked = (
            None
            if has_key or not is_asked
            else await self._ran((program, *known.asks_login), env | ({known.home: str(login)} if login else {}))
        )
        return agent_checks(
            AgentSeen(
                name=name,
                program=kind,
                known=known,
                said=_output(version),
                has_key=has_key,
                has_login=asked is not None and asked.exit_code == 0,
                log_in=agent.login_command(login) if isinstance(agent, CodingAgent) and login else "",
            )
        )

    def _environment_of(self, agent: ConfiguredAgent) -> dict[str, str]:
        names = ("PATH", *agent.pass_env)
        passed = {name: self._environ[name] for name in names if name in self._environ}
        given = agent.credentials(self._environ) if isinstance(agent, CodingAgent) else {}
        return {**passed, **given, **agent.env}

    def _login_of(self, agent: ConfiguredAgent) -> Path | None:
        """The folder of the agent's login; None: its tasks have a home of their own, in which there is none."""
        if not isinstance(agent, CodingAgent):
            return None
        return login_folder(self._data_dir / "daemon" / self._own.name / "tasks", agent.login_name)

    async def _network(self, home: Home) -> list[Check]:
        """What is looked at where agents have a network of their own."""
        if home.sandbox.name != Bubblewrap.name:
            return []
        served, trial = self._own.served(), Trial(home.sandbox, home.path, self._environ)
        looks = (trial.models(name, agent, self._own.reach) for name, agent in served.items())
        door, models = await asyncio.gather(trial.door(), asyncio.gather(*looks))
        paths = [self._environ.get("PATH"), *(agent.env.get("PATH") for agent in served.values())]
        versions = [_output(await self._ran((node, "--version"), self._environ)) for node in nodes_on(paths)]
        nodes = filter(None, map(node_check, dict.fromkeys(versions)))
        return [door, *(check for each in models for check in each), *nodes]

    async def _tool_chains(self, home: Home) -> list[Check]:
        if home.tools is None:
            return [good("tool chains", "none are looked for: find_tool_chains = false")]
        inventory = await asyncio.to_thread(home.tools.take_inventory)
        user = Path(self._environ.get("HOME") or Path.home())
        refused = certificate_checks(find_certificates(self._environ)) if home.sandbox.name == Bubblewrap.name else []
        return [*tool_chain_checks(inventory, user), *refused]

    def _disk(self, home: Home) -> Check:
        free = shutil.disk_usage(home.path).free // MEGABYTE
        return disk_check(str(home.path), free, self._own.min_free_disk_mb)

    async def _reach_temporal(self) -> Check:
        try:
            await self._temporal()
        except MakimaError as error:
            return failed("Temporal", str(error))
        return good("Temporal", "answers")

    async def _ran(self, argv: tuple[str, ...], env: Mapping[str, str]) -> Finished | None:
        """A program that was asked about itself; None where it isn't there or doesn't answer in time."""
        with TemporaryDirectory() as home:
            try:
                return await run(argv, cwd=Path(home), env={"HOME": home, **env}, timeout=PROGRAM_TIMEOUT)
            except (OSError, ProcessTimedOut):
                return None


def program_of(agent: ConfiguredAgent) -> str:
    """The program that the agent is, as it is found on its PATH; empty where that isn't one program."""
    match agent:
        case CommandAgent():
            name = agent.argv[0]
        case CodingAgent():
            name = agent.program_name
        case _:
            return ""
    return shutil.which(name, path=agent.env.get("PATH")) or ""


def _output(ended: Finished | None) -> str:
    return ended.text if ended is not None and ended.exit_code == 0 else ""
